"""Clears the gaps of pages when they reach the file: SQLite leaves copies there of rows that it moved.

`secure_delete` overwrites a deleted row where it stands. But when SQLite spreads the rows of a full page over several,
their old places become the gap between the list of cells and the cells, as they are; what is deleted later would stay
there until the gap is used again. A page is laid out as in SQLite's file format, section 1.6.
"""

import apsw

VFS = "threadkeep-clearing"
FILE_HEADER_BYTES = 100
# The first byte of the pages that hold rows, and how long their header is: inner pages have a pointer more.
HEADER_BYTES = {2: 12, 5: 12, 10: 8, 13: 8}
# Other pages begin with the number of a page. Below this number none looks like one that holds rows.
PAGES_MAX = 2**24
# Where a file says that it has pages of a kind that begins in any way (auto_vacuum, which we never turn on).
MAP_PLACE, MAP_BYTES = 52, 4


class ClearingFile(apsw.VFSFile):
    """The database file; its log and others are SQLite's own business."""

    def xWrite(self, data: bytes, offset: int) -> None:
        cleared = without_gap(bytes(data), offset)
        super().xWrite(data if cleared is None or not self._has_plain_pages(len(data)) else cleared, offset)

    def _has_plain_pages(self, page_bytes: int) -> bool:
        return self.xFileSize() < PAGES_MAX * page_bytes and not any(self.xRead(MAP_BYTES, MAP_PLACE))


class ClearingVfs(apsw.VFS):
    """The system's own, but for writing to a database file."""

    def __init__(self) -> None:
        super().__init__(VFS, "", maxpathname=0)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        kind = ClearingFile if flags[0] & apsw.SQLITE_OPEN_MAIN_DB else apsw.VFSFile
        return kind("", name, flags)


# Registered for as long as it is referred to.
clearing = ClearingVfs()


def without_gap(page: bytes, offset: int) -> bytes | None:
    """Return the page with zeros in its gap, or None if there is nothing to clear or it is no page that holds rows."""
    header = FILE_HEADER_BYTES if offset == 0 else 0
    header_bytes = HEADER_BYTES.get(page[header])
    if header_bytes is None or offset % len(page):
        return None
    cells_count = int.from_bytes(page[header + 3 : header + 5])
    start = header + header_bytes + 2 * cells_count
    # 65536 does not fit two bytes and is written as 0.
    end = int.from_bytes(page[header + 5 : header + 7]) or 65536
    if not start < end <= len(page) or page.count(0, start, end) == end - start:
        return None
    return page[:start] + bytes(end - start) + page[end:]
