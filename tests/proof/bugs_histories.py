"""Bugs of what a model's server is sent of a history, and of what it gets back."""

from proof.bug import Bug, Edit

BUGS = [
    Bug(
        "a call that never got its result is sent without one",
        (
            Edit(
                "operations/responses/chosen.py",
                "for call_id in missing.elements())",
                "for call_id in [])",
            ),
        ),
        ("P28",),
    ),
    Bug(
        "what one model wants back is sent to every model",
        (
            Edit(
                "operations/messages/wanted_back.py",
                "        if wanted.by != by:\n            continue\n",
                "",
            ),
        ),
        ("P28",),
    ),
    Bug(
        "what a model wants back is shown in the stream and not kept",
        (Edit("operations/responses/events.py", '"wanted_back": self.wanted_back,', '"wanted_back": None,'),),
        ("P28",),
    ),
    Bug(
        "turns are joined before the system texts between them have gone to the front",
        (
            Edit(
                "providers/manners.py",
                """    elif manners.system == "first" or manners.roles == "alternate":
        fitted = system_first(fitted)
    if manners.roles == "alternate":
        fitted = alternating(fitted)
""",
                """    if manners.roles == "alternate":
        fitted = alternating(fitted)
    if manners.system == "first" or manners.roles == "alternate":
        fitted = system_first(fitted)
""",
            ),
        ),
        ("P28",),
    ),
]
