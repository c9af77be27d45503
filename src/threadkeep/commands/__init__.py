"""What the command line does, one module per command."""

import sys

# httpx has a command line of its own, and imports it wherever rich is there, which typer brings along: 3 MB of a server
# and 30 ms of its start, for nothing.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None: not to be had.
