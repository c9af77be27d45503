"""The bugs that `make planted-bugs` plants fit the package as it is."""

import pytest

from proof.bug import Bug, all_bugs, check_edits

# Whoever rewrites a sentence of the package mends these when the proofs are run, and not before.
pytestmark = pytest.mark.prove


@pytest.mark.parametrize("bug", all_bugs(), ids=lambda bug: bug.what)
def test_every_planted_bug_fits_the_package_as_it_is(bug: Bug):
    check_edits(bug)
