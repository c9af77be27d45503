"""The words of our own: no class name stands for two things, and docs/glossary.md says what is not standard."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "threadkeep"
MADE = PACKAGE / "client" / "synchronous"


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
    assert {name: files for name, files in definitions().items() if len(files) > 1} == {}
