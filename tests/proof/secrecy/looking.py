"""Looks for secrets wherever something is written down: logs, tables, files, and what a process shows of itself."""

import base64
from pathlib import Path
from urllib.parse import quote

import psutil

from proof.place import Place
from proof.record import Record

# What is made to hold secrets, for its owner alone.
PRIVATE = ("threadkeep-first-run.txt",)


def forms(secret: str) -> set[bytes]:
    """Return how a secret may be written: as it is, escaped for an address, in hexadecimal and in Base64."""
    plain = secret.encode()
    # Base64 of a text within another begins at one of three places.
    inside = {base64.b64encode(b"x" * shift + plain)[4 if shift else 0 : -4] for shift in range(3)}
    return {plain, quote(secret, safe="").encode(), plain.hex().encode(), *inside}


class Search:
    """Searches for all secrets at once, and says where one was found; never which, for that would be one place more."""

    def __init__(self, secrets: set[str], record: Record) -> None:
        self._forms = {form for secret in secrets for form in forms(secret)}
        self._record = record
        record.counts["secrets"] = max(record.counts["secrets"], len(secrets))

    def look(self, what: str, text: str | bytes) -> None:
        data = text.encode(errors="replace") if isinstance(text, str) else text
        self._record.count("places looked at")
        self._record.count("bytes looked at", len(data))
        found = [form for form in self._forms if form in data]
        if found:
            at = data.index(found[0])
            before = data[max(0, at - 60) : at].decode(errors="replace")
            self._record.violation(f"a secret is in {what}, behind {before!r}")

    def files(self, folder: Path) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in PRIVATE:
                self.look(path.name, path.read_bytes())

    def processes(self, place: Place) -> None:
        """Look at what other users of the machine see of a process: its arguments and its names."""
        for server in place.servers:
            if server.process is None:
                continue
            parent = psutil.Process(server.process.pid)
            for process in (parent, *parent.children(recursive=True)):
                self.look("the arguments of a process", Path(f"/proc/{process.pid}/cmdline").read_bytes())
                for name in Path(f"/proc/{process.pid}/task").glob("*/comm"):
                    self.look("the name of a thread", name.read_bytes())


async def look_at_tables(place: Place, search: Search) -> None:
    async with place.stored() as stored:
        search.look("a table", await stored.everything())
        if place.kind == "postgres":
            seen = await stored.rows("select application_name, query from pg_stat_activity")
            search.look("pg_stat_activity", str(seen))
