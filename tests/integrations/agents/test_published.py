"""The SDK's own tests of sessions, on sessions of ours. `make test-integrations` has fetched its source."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
[SUITE] = Path(sys.prefix).glob("openai_agents-*/")
FILES = ("tests/memory/test_session.py", "tests/memory/test_session_limit.py", "tests/test_hitl_session_scenario.py")
SUITE_S = 600
CONNECTIONS = "looks into SQLite's connections and locks"
TABLES = "writes into SQLite's tables, or reads them"
CLOSING = "a session of ours has nothing to close"
# Names begin so; each with its reason.
LEFT_OUT = {
    "close_closes_worker_thread_connections": CONNECTIONS,
    "close_retries_quarantined_connection": CONNECTIONS,
    "file_lock_is_shared_across_instances": CONNECTIONS,
    "rollback_failure_evicts_connection": CONNECTIONS,
    "reaps_connections_from_exited_worker_threads": CONNECTIONS,
    "closes_retired_connections_before_the_next_allocation": CONNECTIONS,
    "keeps_connections_of_live_worker_threads": CONNECTIONS,
    "post_commit_cancellation_propagates_after_known_outcome": CONNECTIONS,
    "closed_rejects_empty_add_items": CLOSING,
    "pop_item_skips_corrupt_most_recent": TABLES,
    "pop_item_returns_none_after_dropping_only_corrupt_rows": TABLES,
    "get_items_limit_skips_corrupt_newest_rows": TABLES,
    "get_items_session_settings_limit_skips_corrupt_rows": TABLES,
    "failed_add_items_releases_write_lock": TABLES,
    "failed_clear_session_rolls_back": TABLES,
    "failed_pop_item_releases_write_lock": TABLES,
}


def test_their_own_tests_pass(server, fresh_owner):
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "suite", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-q"),
            *(f"--deselect={FILES[0]}::test_sqlite_session_{name}" for name in LEFT_OUT),
            *FILES,
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
