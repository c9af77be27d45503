"""Bugs that are planted into a copy of the package, so that each checker fails once before it is trusted."""

import importlib
import pkgutil
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import proof
import threadkeep
from proof.record import DATABASES

SOURCE = Path(threadkeep.__file__).parent


@dataclass(frozen=True)
class Edit:
    """Replaces `old`, which stands exactly once in `file` (a path inside the package), with `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    """A mistake that somebody might make: `what` it is, and the proofs that must catch it on these databases."""

    what: str
    edits: tuple[Edit, ...]
    caught_by: tuple[str, ...]
    databases: tuple[str, ...] = field(default=DATABASES)
    # Some mistakes show only in races that need more tries than the others.
    scale: float = 0.2


def all_bugs() -> list[Bug]:
    """Return the bugs of the modules bugs_…, in the order of the modules' names."""
    names = sorted(each.name for each in pkgutil.iter_modules(proof.__path__) if each.name.startswith("bugs_"))
    return [bug for name in names for bug in importlib.import_module(f"proof.{name}").BUGS]


def check_edits(bug: Bug, source: Path = SOURCE) -> None:
    """Raise an AssertionError if an edit of the bug does not fit the package as it is now."""
    for edit in bug.edits:
        found = (source / edit.file).read_text().count(edit.old)
        assert found == 1, f"{bug.what}: the text to replace stands {found} times in {edit.file}"


def plant(bug: Bug, folder: Path) -> Path:
    """Copy the package into `folder`, with the bug in it; return what goes in front of the import path."""
    check_edits(bug)
    copy = folder / "threadkeep"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in bug.edits:
        path = copy / edit.file
        path.write_text(path.read_text().replace(edit.old, edit.new))
    return folder
