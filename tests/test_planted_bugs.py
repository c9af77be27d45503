"""The bugs that `make planted-bugs` plants fit the package as it is."""

import pytest

from proof.bug import Bug, all_bugs, check_edits


@pytest.mark.parametrize("bug", all_bugs(), ids=lambda bug: bug.what)
def test_every_planted_bug_fits_the_package_as_it_is(bug: Bug):
    check_edits(bug)
