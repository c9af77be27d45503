"""The tenant matrix: every operation, every reference in it, every kind of caller."""
