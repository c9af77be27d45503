"""Bugs of limits: what is counted, when it is counted, and what a network may do to the server."""

from proof.bug import Bug, Edit

BUGS = [
    Bug(
        "limits in bytes: the length of a metadata value is counted in bytes",
        (Edit("operations/metadata.py", "characters = len(value)\n", "characters = len(value.encode())\n"),),
        ("P10",),
    ),
    Bug(
        "limits before the merge: the change is held against the limits, not what comes of it",
        (
            Edit(
                "operations/metadata.py",
                "    check_limits(merged, param)\n    return",
                "    check_limits({key: change[key] for key in change if change[key] is not None}, param)\n    return",
            ),
        ),
        ("P10",),
    ),
    Bug(
        "a header may take for ever: no header time-out",
        (
            Edit(
                "server/transport/protocol.py",
                'self._read_timer = self.loop.call_later(self.HEADER_READ_S, self._stop, b"")',
                'self._read_timer = self.loop.call_later(3600, self._stop, b"")',
            ),
        ),
        ("P16",),
        databases=("sqlite",),
    ),
    Bug(
        "too many connections: the new one is turned away, however long others have been idle",
        (
            Edit(
                "server/connection_limits.py",
                "            oldest = next(iter(self._waiting))\n",
                "            oldest = connection\n",
            ),
        ),
        ("P16",),
        databases=("sqlite",),
    ),
]
