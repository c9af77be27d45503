"""The service's own OpenAPI documents, against which the tests hold every answer that they get."""

import re
from typing import Any

import jsonschema_rs

from threadkeep.server import dialects
from threadkeep.settings import DIALECTS

METHODS = ("get", "post", "put", "patch", "delete")


# Of the native way in, and of each dialect.
PATHS = ("/openapi.json", *(f"{dialects.load(name).speech.prefix}/openapi.json" for name in DIALECTS))


async def documents_of(client: Any) -> list[dict[str, Any]]:  # Any: an httpx client, or a quicker one.
    """Return the documents of all ways into a server."""
    return [(await client.get(path)).json() for path in PATHS]


class Document:
    """Knows for each operation and status what an answer looks like."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self.operations = [
            (method.upper(), pattern_of(path), item[method]["responses"], each["components"])
            for each in documents
            # A path with fewer parameters comes first: /v1/threads/bulk names no thread.
            for path, item in sorted(each["paths"].items(), key=lambda its: its[0].count("{"))
            for method in METHODS
            if method in item
        ]
        self.validators: dict[tuple[int, str], Any] = {}

    @classmethod
    async def of(cls, client: Any) -> "Document":  # Any: an httpx client, or a quicker one.
        return cls(*await documents_of(client))

    def check(self, answer: Any) -> None:
        """Fail if the answer's status or body is not what the document says of its operation."""
        request = answer.response.request
        for place, (method, pattern, responses, components) in enumerate(self.operations):
            if method == request.method and pattern.fullmatch(request.url.path):
                status = str(answer.status) if str(answer.status) in responses else "default"
                assert status in responses, f"undocumented status: {answer!r}"
                self.check_body(place, status, responses[status], components, answer)
                return

    def check_body(
        self, place: int, status: str, response: dict[str, Any], components: dict[str, Any], answer: Any
    ) -> None:
        if "$ref" in response:
            response = components["responses"][response["$ref"].rpartition("/")[2]]
        content = response.get("content", {}).get("application/json")
        if content is None or answer.body is None:
            return
        if (place, status) not in self.validators:
            schema = {**content["schema"], "components": components}
            self.validators[place, status] = jsonschema_rs.Draft202012Validator(schema)
        errors = [
            f"{error.instance_path}: {error.message}"
            for error in self.validators[place, status].iter_errors(answer.body)
        ]
        assert not errors, f"not as documented: {errors[:3]} in {answer!r}"


def pattern_of(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
