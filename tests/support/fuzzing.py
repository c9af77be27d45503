"""Tries a running server with requests that Schemathesis makes from its own OpenAPI document."""

import re
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS

from support.cast import Caller

ENDINGS = ("lock", "archive")
CHECKED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
PLAIN = ("not_a_server_error", "status_code_conformance", "content_type_conformance")


def checks() -> list[Any]:
    found = [check for check in CHECKS.get_all() if check.__name__ in CHECKED]
    assert len(found) == len(CHECKED)
    return found


def operations(schema: Any) -> list[Any]:
    """Return all operations; those after which others would only meet refusals come last, one that ends all does not.

    Its own organization and its own owner must stay, or everything after them would only meet refusals.
    """
    found = [result.ok() for result in schema.get_all_operations()]
    found = [
        each
        for each in found
        if (each.method.upper(), each.path.count("/")) != ("DELETE", 3) or "organizations" not in each.path
    ]
    return sorted(found, key=lambda each: each.method.upper() == "DELETE" or each.path.endswith(ENDINGS))


def try_operation(operation: Any, owner: Caller, real: dict[str, str], examples: int) -> None:
    """Send so many requests of an operation, half of them with real ids. Raises what a check finds."""
    found = checks()

    @given(case=operation.as_strategy(), with_real_ids=st.booleans())
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def run(case: Any, with_real_ids: bool) -> None:
        if with_real_ids and case.path_parameters:
            case.path_parameters = {name: real[re.match("[a-z]+", name)[0]] for name in case.path_parameters}  # type: ignore[index]
        response = case.call(headers={"x-api-key": owner.key})
        # A stream, and a sentence: there is no schema for what they say.
        is_text = response.headers.get("content-type", ["text"])[0].startswith("text")
        case.validate_response(response, checks=[each for each in found if not is_text or each.__name__ in PLAIN])

    run()
