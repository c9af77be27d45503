"""Bugs of generated names."""

from proof.bug import Bug, Edit

BUGS = [
    Bug(
        "a generated name is saved without a look at what a person did meanwhile",
        (
            Edit(
                "operations/threads/names.py",
                "if title_revision != question.title_revision or (question.is_automatic and held.title is not None):",
                "if question.is_automatic and held.title is not None:",
            ),
        ),
        ("P17",),
    ),
]
