"""The words of our own: no class name stands for two things, and docs/glossary.md says what is not standard."""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "threadkeep"
MADE = PACKAGE / "client" / "synchronous"
WORDS = re.compile(r"[A-Z][a-z]+")
# Where objects have the names that another program gives them.
OTHERS = re.compile(r"server/dialects/\w+|commands/kinds/(?!talks|parts)\w+")
# Words that whoever has written a service knows, of databases, HTTP and of what threadkeep keeps.
STANDARD = """
    Address Answer Assistant Batched Batcher Bounds Bulk Call Channel Channels Checkpointer Collector Compiled
    Concurrency Connection Context Database Exists Facts File Filter First Found Hosts Idempotent In Job Limit Log Long
    Lost Member Membership Mismatch Message Name Not Organization Pair Pool Position Postgres Problem Query Reader Reads
    Refused Report Request Response Run Runtime Schema Scoped Shared Slot Slow Sqlite Statement Stored Stream Table
    Thread Too Transaction Unique Use Vfs Violation Window Worker Writer
"""
STANDARD_WORDS = frozenset(STANDARD.split())


def definitions() -> dict[str, list[str]]:
    """Return where each class stands."""
    found = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        if MADE not in file.parents:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(file.relative_to(PACKAGE).as_posix())
    return found


def test_no_two_classes_have_the_same_name():
    """Objects of a dialect, or of a kind of file, have the names that the other program gives them."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, files in definitions().items():
        for file in files:
            others = OTHERS.match(file)
            found[name, others.group() if others else ""].append(file)

    assert {name: files for name, files in found.items() if len(files) > 1} == {}


def test_a_class_whose_name_is_no_compound_of_standard_words_stands_in_the_glossary():
    own = {
        name
        for name, files in definitions().items()
        if any(file.startswith(("database/", "operations/", "runtime/")) for file in files)
        and not STANDARD_WORDS.issuperset(WORDS.findall(name))
    }

    assert own - explained() == set()


def test_every_name_in_the_glossary_is_one_of_the_code():
    source = "\n".join(file.read_text() for file in sorted(PACKAGE.rglob("*.py")))

    assert explained() != set()
    assert [name for name in sorted(explained()) if not re.search(rf"\b(class|def) {name}\b", source)] == []


def explained() -> set[str]:
    """Return the names that the glossary explains: what is written as code before the colon of an entry."""
    entries = re.findall(r"^- (.+?): ", (ROOT / "docs" / "glossary.md").read_text(), re.M)
    return {name for entry in entries for name in re.findall(r"`(\w+)`", entry)}
