"""What goes wrong with a model's server, and the sentence and code that a caller gets for it.

Nothing that the server said goes into a sentence: it may hold its address, the key, or other people's text.
"""

from typing import Any

from threadkeep.providers import ModelError

# How servers say that the conversation is too long: OpenAI by a code, llama.cpp by a type, vLLM and others in words.
TOO_LONG_MARKS = ("context_length_exceeded", "exceed_context_size", "context length", "context window")

TIMEOUT_STATUSES = {408, 504}
REFUSED_STATUSES = {400, 413, 422}


def timeout() -> ModelError:
    return ModelError("model_timeout", "The model did not answer in time: try again later.")


def unreachable() -> ModelError:
    return ModelError("model_unavailable", "The model's server cannot be reached: try again later.")


def broken_off() -> ModelError:
    return ModelError("model_unavailable", "The model's server broke off before the answer was complete: try again.")


def unreadable() -> ModelError:
    return ModelError("model_unavailable", "The model's server sent something that is no chat completion.")


def compressed() -> ModelError:
    return ModelError("model_unavailable", "The model's server compressed its answer although it was asked not to.")


def too_long_a_line() -> ModelError:
    return ModelError("model_unavailable", "The model's server sent a line that is too long.")


def too_long_a_conversation() -> ModelError:
    return ModelError(
        "context_too_long", "The conversation is longer than the model takes: lower contextTokens or shorten it."
    )


def refused() -> ModelError:
    return ModelError("model_refused", "The model refused to answer this, or its server filtered the answer.")


def of_status(status: int, detail: Any = None) -> ModelError:  # Any: JSON from the server, of any form.
    """Return the error for an HTTP status; `detail` is the server's own account of it, which may say more."""
    if says_too_long(detail) and status not in (401, 403, 429):
        return too_long_a_conversation()
    if status in TIMEOUT_STATUSES:
        return timeout()
    if status in REFUSED_STATUSES:
        return ModelError(
            "model_refused", f"The model's server refused the request ({status}): check the settings and messages."
        )
    if status in (401, 403):
        return ModelError("model_unavailable", f"The model's server refused the key ({status}): correct the setting.")
    if status == 404:
        return ModelError("model_unavailable", "The model's server does not know this model or this path (404).")
    if status == 429:
        return ModelError("model_unavailable", "The model's server has too much to do (429): try again later.")
    return ModelError("model_unavailable", f"The model's server answered with status {status}: try again later.")


def of_error_object(detail: Any) -> ModelError:  # Any: JSON from the server, of any form.
    """Return the error for an error object that came in place of an answer or within one."""
    code = detail.get("code") if isinstance(detail, dict) else None
    if type(code) is int and 400 <= code <= 599:
        return of_status(code, detail)
    if says_too_long(detail):
        return too_long_a_conversation()
    return ModelError("model_unavailable", "The model's server reported an error: try again later.")


def says_too_long(detail: Any) -> bool:  # Any: JSON from the server, of any form.
    if isinstance(detail, dict):
        return any(says_too_long(detail.get(name)) for name in ("code", "type", "message") if detail.get(name))
    return isinstance(detail, str) and any(mark in detail.lower() for mark in TOO_LONG_MARKS)
