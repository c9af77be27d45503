"""Where servers beside threadkeep keep their files."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def new_folder(workspace: Path) -> Callable[[], Path]:
    """Make a folder that the system user who runs PostgreSQL may enter. pytest's own become private at any time."""

    def make() -> Path:
        folder = Path(tempfile.mkdtemp(dir=workspace))
        folder.chmod(0o755)
        return folder

    return make
