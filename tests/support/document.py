"""The service's own OpenAPI document, against which the tests hold every answer that they get."""

import re
from typing import Any

import jsonschema_rs

METHODS = ("get", "post", "put", "patch", "delete")


class Document:
    """Knows for each operation and status what an answer looks like."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.components = document["components"]
        self.operations = [
            (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), item[method]["responses"])
            # A path with fewer parameters comes first: /v1/threads/bulk names no thread.
            for path, item in sorted(document["paths"].items(), key=lambda item: item[0].count("{"))
            for method in METHODS
            if method in item
        ]
        self.validators: dict[tuple[int, str], Any] = {}

    def check(self, answer: Any) -> None:
        """Fail if the answer's status or body is not what the document says of its operation."""
        request = answer.response.request
        for place, (method, pattern, responses) in enumerate(self.operations):
            if method == request.method and pattern.fullmatch(request.url.path):
                status = str(answer.status) if str(answer.status) in responses else "default"
                assert status in responses, f"undocumented status: {answer!r}"
                self.check_body(place, status, responses[status], answer)
                return

    def check_body(self, place: int, status: str, response: dict[str, Any], answer: Any) -> None:
        if "$ref" in response:
            response = self.components["responses"][response["$ref"].rpartition("/")[2]]
        content = response.get("content", {}).get("application/json")
        if content is None or answer.body is None:
            return
        if (place, status) not in self.validators:
            schema = {**content["schema"], "components": self.components}
            self.validators[place, status] = jsonschema_rs.Draft202012Validator(schema)
        errors = [
            f"{error.instance_path}: {error.message}"
            for error in self.validators[place, status].iter_errors(answer.body)
        ]
        assert not errors, f"not as documented: {errors[:3]} in {answer!r}"
