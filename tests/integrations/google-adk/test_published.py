"""The framework's own tests of sessions, on a service of ours; suite.py says which are left out.

THREADKEEP_SUITE_GOOGLE_ADK is the folder of google/adk-python; without it this is left out.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SUITE = os.environ.get("THREADKEEP_SUITE_GOOGLE_ADK")
FOLDER = "tests/unittests/sessions"
SUITE_S = 300


@pytest.mark.skipif(SUITE is None, reason="THREADKEEP_SUITE_GOOGLE_ADK names no folder")
def test_their_own_tests_pass(server, fresh_owner):
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "suite", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-q"),
            *("-c", os.devnull, "--rootdir=.", "-o", "asyncio_mode=auto", "--import-mode=importlib"),
            f"{FOLDER}/test_session_service.py",
        ],
        cwd=SUITE,
        env={
            **os.environ,
            "PYTHONPATH": str(HERE),
            "THREADKEEP_URL": server.url,
            "THREADKEEP_API_KEY": fresh_owner.key,
            "THREADKEEP_ORGANIZATION": fresh_owner.organization,
        },
        capture_output=True,
        text=True,
        timeout=SUITE_S,
        check=False,
    )

    print(finished.stdout)
    assert finished.returncode == 0, finished.stdout + finished.stderr
