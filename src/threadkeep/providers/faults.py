"""The faults of models' servers, with the sentence and code that a caller gets for each.

Sentences never quote the server: its words may hold its address, the key, or other people's text.
"""

import re
from typing import Any

from threadkeep.providers import ModelError
from threadkeep.providers.too_long import says_too_long

# The longest part that is shown of a server's own word for how an answer ended.
REASON_CHARACTERS_MAX = 64
STATUS_FIELDS = ("code", "status", "status_code", "statusCode", "http_status")

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


def refused(reason: str | None = None) -> ModelError:
    why = f" ({shown(reason)})" if reason else ""
    return ModelError("model_refused", f"The model refused to answer this, or its server filtered the answer{why}.")


def ended_by(reason: str) -> ModelError:
    return ModelError("model_unavailable", f"The model's server ended the answer with {shown(reason)}: try again.")


def lost_call() -> ModelError:
    return ModelError(
        "model_unavailable", "The model's server announced a call of a function and did not send all of it: try again."
    )


def too_many_calls(count_max: int) -> ModelError:
    return ModelError("model_unavailable", f"The model called more than {count_max} functions at once.")


def shown(reason: str) -> str:
    """Return a server's own word for how an answer ended, made safe to show: the text is not trusted."""
    return re.sub(r"[^A-Za-z0-9_ -]", "", reason)[:REASON_CHARACTERS_MAX].strip() or "a reason that cannot be shown"


def of_status(status: int, detail: Any = None) -> ModelError:  # Any: JSON from the server, of any form.
    """Return the error for an HTTP status; `detail` is the answer's body, which may say more."""
    if may_say_too_long(status) and says_too_long(detail):
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


def check_error(detail: Any, base: Any = None) -> None:  # Any: JSON from the server, of any form.
    """Raise ModelError if `detail`, an error object in place of an answer or within one, is not empty.

    `base` is the status object that MiniMax sends with every answer; 0 in it means success.
    """
    if isinstance(base, dict) and base.get("status_code"):
        raise of_error_object({"message": base.get("status_msg")})
    if detail and not (isinstance(detail, dict) and not any(detail.values())):
        raise of_error_object(detail)


def may_say_too_long(status: int) -> bool:
    """Whether a refusal with this status can be about the conversation's length; its text then decides."""
    return status in REFUSED_STATUSES or status >= 500


def of_error_object(detail: Any) -> ModelError:  # Any: JSON from the server, of any form.
    """Return the error for an error object that came in place of an answer or within one."""
    code = status_in(detail)
    if code is not None:
        return of_status(code, detail)
    if says_too_long(detail):
        return too_long_a_conversation()
    return ModelError("model_unavailable", "The model's server reported an error: try again later.")


def status_in(detail: Any) -> int | None:  # Any: JSON from the server, of any form.
    """Return the HTTP status that an error object names, as a number or as its digits."""
    if isinstance(detail, dict):
        for name in STATUS_FIELDS:
            if (digits := str(detail.get(name))).isascii() and digits.isdigit() and 400 <= int(digits[:9]) <= 599:
                return int(digits)
    return None
