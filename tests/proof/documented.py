"""Writes what a run found into docs/proof.md, in the place that is kept for it there."""

from proof.running import TESTS

PAGE = TESTS.parent / "docs" / "proof.md"


def read_block(name: str) -> str:
    """Return what stands in the block."""
    _, _, rest = PAGE.read_text().partition(f"<!-- {name} -->\n")
    return rest.partition(f"<!-- end of {name} -->")[0].strip()


def write_block(name: str, text: str) -> None:
    """Put `text` between the two comments in the page that name the block."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = PAGE.read_text().partition(begin)
    assert found, f"docs/{PAGE.name} has no block {name}"
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")
