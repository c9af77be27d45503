"""What the tests stand on: a real PostgreSQL, real server processes, and people who call them."""

import sys
from importlib.util import find_spec

# httpcore looks for it at every request, along all of the path: a sixth of what requests of the tests cost.
if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # None: importing it fails at once.
