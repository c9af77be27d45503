"""The meaning of the reasons with which models' servers end an answer; docs/models.md shows this table."""

import re
from typing import Literal, TypeAlias

from threadkeep.providers import FinishReason

Outcome: TypeAlias = FinishReason | Literal["refused", "failed"]

# As the servers write them; upper and lower case, and signs between words, are ignored when comparing.
REASONS: dict[Outcome, tuple[str, ...]] = {
    "stop": (
        "stop", "end_turn", "stop_sequence", "eos", "eos_token", "end", "complete", "completed", "done", "normal",
        "endoftext", "eosFound", "stopStringFound",
    ),
    "length": (
        "length", "max_tokens", "max_output_tokens", "model_length", "token_limit", "model_context_window_exceeded",
        "maxPredictedTokensReached", "contextLengthReached",
    ),
    "toolCalls": ("tool_calls", "tool_call", "tool_use", "function_call", "function_calls"),
    "refused": (
        "content_filter", "content_filtered", "sensitive", "refusal", "guardrail_intervened", "safety", "recitation",
        "blocklist", "prohibited_content", "spii", "language", "image_safety", "image_prohibited_content",
        "image_recitation", "model_armor", "error_toxic",
    ),
    "failed": (
        "error", "abort", "network_error", "insufficient_system_resource", "malformed_function_call",
        "unexpected_tool_call", "too_many_tool_calls", "missing_thought_signature", "malformed_response",
        "malformed_model_output", "malformed_tool_use", "pause_turn", "cancelled", "timeout", "time_limit", "other",
        "unknown", "unspecified",
    ),
}  # fmt: skip

# Texts that some servers send with every chunk, in place of null.
NO_REASONS = {"", "null", "none"}

NOISE = re.compile(r"[\W_]+")


def folded(reason: str) -> str:
    return NOISE.sub("", reason.lower()).removeprefix("finishreason")


OUTCOMES: dict[str, Outcome] = {folded(reason): outcome for outcome, reasons in REASONS.items() for reason in reasons}


def outcome_of(reason: str) -> Outcome | None:
    """Return how an answer with this reason ends, or None when the reason is none at all.

    An unknown reason counts as a failure: it does not say that the answer is whole.
    """
    name = folded(reason)
    return None if name in NO_REASONS else OUTCOMES.get(name, "failed")


def failure_of(native_reason: str | None) -> Outcome | None:
    """Return how an answer failed by the reason of the server behind a gateway, or None if it is no known failure."""
    outcome = OUTCOMES.get(folded(native_reason)) if native_reason else None
    return outcome if outcome in ("refused", "failed") else None
