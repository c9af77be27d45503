"""What `threadkeep` can do, each command in a module that is imported when it is called."""

import sys

# httpx has a command line of its own, and imports it wherever rich is there, which typer brings along: 5 MB of every
# process and 30 ms of every start, for nothing. None is how Python is told that a module is not to be had.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
