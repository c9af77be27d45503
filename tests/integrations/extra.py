"""Prints what an extra of pyproject.toml needs, a word each: python tests/integrations/extra.py langchain."""

import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

print(*tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"][sys.argv[1]])
