"""Makes the client without asyncio from the one with it: the same text, without its waiting.

PYTHONPATH=tests .venv/bin/python -m support.sync_client --write
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FROM = ROOT / "src" / "threadkeep" / "client" / "asynchronous"
TO = FROM.with_name("synchronous")
MADE = "# Made from ../asynchronous by tests/support/sync_client.py: change it there.\n"
PACKAGE = (
    '"""The synchronous client, generated from the asyncio one: docs/decisions/0022-one-text-for-both-clients.md."""\n'
)

FIRST_PARTY = 'lint.isort.known-first-party = ["threadkeep"]'

REPLACEMENTS = [
    (r"\bawait anext\(", "next("),
    (r"\bawait ", ""),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bimport asyncio\b", "import time"),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\ba(close|iter_bytes)\b", r"\1"),
    (r"\basynchronous\b", "synchronous"),
]


def generated() -> dict[str, str]:
    """Return the files of the synchronous client by their names."""
    files = {file.name: file.read_text() for file in sorted(FROM.glob("*.py"))}
    return {
        name: PACKAGE if name == "__init__.py" else formatted(MADE + synchronous(text)) for name, text in files.items()
    }


def synchronous(text: str) -> str:
    for pattern, replacement in REPLACEMENTS:
        text = re.sub(pattern, replacement, text)
    return text


def formatted(text: str) -> str:
    """Return the text as the formatter and the linter's order of imports have it."""
    # Without its waiting, a loop that only yields can be said more shortly.
    fix = ["check", "--select", "I,UP028", "--fix-only", "--unsafe-fixes", "--quiet", "--config", FIRST_PARTY]
    for arguments in (fix, ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(TO / "made.py"), "-"]
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", required=True, help="write the files")
    parser.parse_args()
    TO.mkdir(exist_ok=True)
    for name, text in generated().items():
        (TO / name).write_text(text)


if __name__ == "__main__":
    main()
