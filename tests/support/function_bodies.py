"""Takes the statements out of the body of a function in PL/pgSQL, so that each can be looked at as any other."""

import re

VARIABLE = re.compile(r"^\s*([a-z0-9_]+) (?:record|boolean|bigint|text)\b", re.M)
# What a body is made of besides statements ends in one of these.
BOUNDARY = re.compile(r";|\bloop$|\bthen$|\bbegin$|\belse$", re.M)
BEGINNING = re.compile(r"\b(?:with|select|perform|insert|update|delete)\b")


def statements_of(body: str) -> list[str]:
    """Return the statements of a body in order, each as a client could send it."""
    variables = VARIABLE.findall(body)
    into = re.compile(rf"\binto (?:{'|'.join(variables)})\b") if variables else None
    found = []
    for piece in BOUNDARY.split(body):
        start = BEGINNING.search(piece)
        if start:
            text = piece[start.start() :].strip()
            text = into.sub("", text) if into else text
            found.append(re.sub(r"^perform\b", "select", text).strip())
    return found
