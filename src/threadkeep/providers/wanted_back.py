"""Fields that servers want back unchanged with an answer or its calls, and how pieces of one field are joined."""

from collections.abc import Iterator
from typing import Any

from threadkeep.providers import WantedBackPiece

# Of LiteLLM, Gemini, LiteLLM for Gemini, GitHub Copilot. `reasoning_details`, of OpenRouter and MiniMax, is read apart.
MESSAGE_FIELDS = ("thinking_blocks", "extra_content", "provider_specific_fields", "reasoning_opaque")
# Of Gemini, LiteLLM for Gemini, gateways in front of Gemini.
CALL_FIELDS = ("extra_content", "provider_specific_fields", "thought_signature")

# Fields of an object whose text comes in pieces; of any other field the newest value counts.
BIT_BY_BIT = {"text", "thinking", "summary", "data"}


def wanted_back(
    said: Any, fields: tuple[str, ...], call: int | None = None
) -> Iterator[WantedBackPiece]:  # Any: a struct.
    """Give the values of these fields in a delta or a call."""
    for field in fields:
        value = getattr(said, field)
        if field == "provider_specific_fields":
            value = signatures(value)
        if value:
            yield WantedBackPiece(call, field, value)


def signatures(value: Any) -> Any:  # Any: JSON.
    """Return only the signatures of a field; the server needs nothing else of it."""
    if not isinstance(value, dict):
        return None
    return {name: each for name, each in value.items() if "signature" in name and each}


def joined(before: Any, more: Any) -> Any:  # Any: JSON.
    """Join two pieces of one field, in the order in which they came.

    Texts and lists are concatenated; objects are merged name by name; of any other value the newer one counts. In a
    list, an object is merged into the one before it if `type` and `index` are the same; thinking without an index, if
    the one before it is not signed yet.
    """
    if isinstance(before, str) and isinstance(more, str):
        return before + more
    if isinstance(before, list) and isinstance(more, list):
        return joined_lists(before, more)
    if isinstance(before, dict) and isinstance(more, dict):
        return merged(before, more)
    return before if more is None else more


def joined_lists(before: list[Any], more: list[Any]) -> list[Any]:
    result = list(before)
    for each in more:
        if result and goes_on(result[-1], each):
            result[-1] = merged(result[-1], each)
        else:
            result.append(each)
    return result


def goes_on(before: Any, more: Any) -> bool:
    """Whether an object of a list continues the one before it."""
    if not isinstance(before, dict) or not isinstance(more, dict) or before.get("type") != more.get("type"):
        return False
    if more.get("index") is None and before.get("index") is None:
        # Blocks of Anthropic and LiteLLM have no index: a signature ends each.
        return more.get("type") == "thinking" and not before.get("signature")
    return before.get("index") == more.get("index")


def without_unsigned(value: Any) -> Any:  # Any: JSON.
    """Leave out the blocks whose signature never came, which Anthropic refuses."""
    if not isinstance(value, list):
        return value
    return [each for each in value if not is_thinking(each) or each.get("signature")]


def is_thinking(block: Any) -> bool:  # Any: JSON.
    """Whether this is thinking in Anthropic's form. Mistral's is a list of parts, and Mistral wants none back."""
    return isinstance(block, dict) and block.get("type") == "thinking" and isinstance(block.get("thinking"), str)


def merged(before: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    result = dict(before)
    for name, value in more.items():
        old = result.get(name)
        is_text = isinstance(old, str) and isinstance(value, str)
        if old is None or (is_text and name not in BIT_BY_BIT and value):
            result[name] = value
        elif not is_text or name in BIT_BY_BIT:
            result[name] = joined(old, value)
    return result
