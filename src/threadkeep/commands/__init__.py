"""The command line, one module per command."""

import sys

# httpx imports its own command line if rich is installed, as it is with typer. That costs a server 3 MB of memory and
# 30 ms of its start, for nothing.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None: importing it fails.
