"""Recognizes a server's error that means: the conversation is too long for the model.

Each server words it differently, so a list of texts would never be complete. The rule: one sentence names what was
sent, measures it by tokens or length, and says that it is too much. And nowhere does the error speak of rate limits
or money.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

# How much of an error is searched: more than servers send, and little enough that a hostile one costs nothing.
TEXTS_MAX = 50
TEXT_CHARACTERS_MAX = 4_000
LEVELS_MAX = 6

SENT = re.compile(
    r"\b(inputs?|prompts?|messages?|contexts?|conversation|history|requests?|requested|sequence"
    r"|tokens? limit|total tokens?|total number of tokens|current length)\b|提示词|输入|上下文|max size: \d+ tokens"
)
MEASURED = re.compile(r"\b(tokens?|length|len|context|too long)\b|长度|超长|上下文")
TOO_MUCH = re.compile(
    r"exceed|overflow|too (long|many|large|big)|(longer|larger|greater|bigger|higher|more) than|beyond|above"
    r"|maximum|\bmax\b|\blimit|reduce|shorten|decrease|range of|<=|>|超|过长"
    # Three digits at least: no model's context is shorter. "only text is supported" must not match either.
    r"|\b(less than|fewer than|at most|only|up to)( [\w']+){0,3} \d[\d,]{2}"
)
# A sentence with one of these is about one field or part of the request, or about time.
OF_ANOTHER = re.compile(
    r"\b((?<!text and )images?(?! and text)|audio|videos?|files?|tools?|functions?|names?|ids?|schema|metadata"
    r"|took|time|timed|seconds?|unrecognized|unknown|unsupported|completion tokens|output tokens)\b"
)
# If one of these is anywhere in the error, waiting or paying would help: it is not about length.
OF_RATES = re.compile(
    r"\bper[ -]?(second|minute|min|hour|day|week|month)|\b(tpm|rpm|tpd|rpd|rates?|quotas?|daily|monthly|billing"
    r"|credits?|plans?|subscriptions?|balance|afford|concurrent|overloaded|throttl\w*)\b"
    r"|too many requests|please wait|try again in \d|retry after"
)
# The request's limit for the answer; by itself it says nothing about the conversation's length.
ANSWER_LIMIT = re.compile(r"\bmax_(completion_|output_|new_)?tokens\b|\bbudget_tokens\b")
SENTENCE_END = re.compile(r"[.;!?]\s|[\n\"{}。；，]")
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def says_too_long(detail: Any) -> bool:  # Any: JSON from the server, of any form.
    sentences = [sentence for text in texts_in(detail) for sentence in sentences_of(text)]
    if any(OF_RATES.search(sentence) for sentence in sentences):
        return False
    return any(is_about_length(sentence) for sentence in sentences)


def is_about_length(sentence: str) -> bool:
    is_about_it = SENT.search(sentence) and MEASURED.search(sentence) and TOO_MUCH.search(sentence)
    return bool(is_about_it) and not OF_ANOTHER.search(sentence)


def sentences_of(text: str) -> list[str]:
    text = ANSWER_LIMIT.sub("…", CAMEL.sub(" ", text).lower()).replace("_", " ")
    return SENTENCE_END.split(text)


def texts_in(detail: Any, level: int = 0) -> Iterator[str]:
    """Give the texts of an error, also of an error that is encoded as JSON in a text of it."""
    if isinstance(detail, str):
        text = detail[:TEXT_CHARACTERS_MAX].strip()
        if text.startswith(("{", "[")) and level < LEVELS_MAX:
            try:
                yield from texts_in(msgspec.json.decode(text), level + 1)
                return
            except (ValueError, RecursionError):
                pass
        yield text
    elif isinstance(detail, dict | list) and level < LEVELS_MAX:
        for each in list(detail.values() if isinstance(detail, dict) else detail)[:TEXTS_MAX]:
            yield from texts_in(each, level + 1)
