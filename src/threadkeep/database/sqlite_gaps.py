"""Clears unused space in pages when they are written to the file: SQLite leaves copies of moved rows there.

`secure_delete` overwrites a deleted row. But when SQLite splits a full page, the old copies of moved rows stay in the
gap between the page's cell pointers and its cells. When a moved row is deleted, its old copy would stay until the gap
is used again. Section 1.6 of SQLite's file format describes the page layout.
"""

import apsw

VFS = "threadkeep-clearing"
FILE_HEADER_BYTES = 100
# The first byte of b-tree pages, and the length of their header: interior pages have one more pointer.
HEADER_BYTES = {2: 12, 5: 12, 10: 8, 13: 8}
# Other pages begin with a page number of 4 bytes. In files below this many pages its first byte is 0, no b-tree's.
PAGES_MAX = 2**24
# The header field that is not 0 if the file has pointer-map pages, which may begin with any byte (auto_vacuum; we never
# turn it on).
MAP_PLACE, MAP_BYTES = 52, 4


class ClearingFile(apsw.VFSFile):
    """The database file; its log and others are SQLite's own business."""

    def xWrite(self, data: bytes, offset: int) -> None:
        cleared = without_gap(bytes(data), offset)
        super().xWrite(data if cleared is None or not self._has_plain_pages(len(data)) else cleared, offset)

    def _has_plain_pages(self, page_bytes: int) -> bool:
        return self.xFileSize() < PAGES_MAX * page_bytes and not any(self.xRead(MAP_BYTES, MAP_PLACE))


class ClearingVfs(apsw.VFS):
    """The system's own VFS, except for writes to a database file."""

    def __init__(self) -> None:
        super().__init__(VFS, "", maxpathname=0)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        kind = ClearingFile if flags[0] & apsw.SQLITE_OPEN_MAIN_DB else apsw.VFSFile
        return kind("", name, flags)


# The reference keeps it registered.
clearing = ClearingVfs()


def without_gap(page: bytes, offset: int) -> bytes | None:
    """Return the page with zeros in its gap, or None if there is nothing to clear or it is no b-tree page."""
    header = FILE_HEADER_BYTES if offset == 0 else 0
    header_bytes = HEADER_BYTES.get(page[header])
    if header_bytes is None or offset % len(page):
        return None
    cells_count = int.from_bytes(page[header + 3 : header + 5])
    start = header + header_bytes + 2 * cells_count
    # 0 means 65536, which does not fit two bytes.
    end = int.from_bytes(page[header + 5 : header + 7]) or 65536
    zeros = bytes(max(0, end - start))
    if not start < end <= len(page) or page.startswith(zeros, start):
        return None
    return page[:start] + zeros + page[end:]
