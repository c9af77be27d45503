"""A title in the user's own words, for when no model makes one."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2

from threadkeep.titles.languages import Vocabulary, vocabulary_of
from threadkeep.titles.rules import CHARACTERS_MAX, WORDS_MAX, finished, shortened, tidy
from threadkeep.titles.unspaced import UNSPACED
from threadkeep.titles.words import (
    COMPANION,
    COMPANIONS,
    CONJUNCTIONS,
    META,
    REQUESTS,
    UNNAMED,
    UNSPACED_DANGLING,
    UNSPACED_REQUEST,
)

# Bounds the time to some 20 milliseconds.
TEXT_CHARACTERS_MAX = 4_000
CLAUSES_MAX = 60

# The costs of a small word between two others, and of cutting a phrase.
GAP_SCORE = -0.25
CUT_SCORE = -1.0
NAME_SCORE = 0.25
# A request or a question is worth more than the text around it.
ASKED_FACTOR = 1.6
# A clause without spaces is taken whole; it scores as much as three words at most.
UNSPACED_SCORE = 3.0

_FENCED = re.compile(r"(?:```|~~~).*?(?:```|~~~|\Z)", re.S)
_CLAUSE_END = re.compile(r"(?<=[.!?…;:,\"”)])\s+|\s[-–—]\s|[\n\r\u2028\u2029]+|[。！？；：，、؟،؛]+|\s\(")
_EDGE = re.compile(r"^\W+|[^\w#+%°]+$")

_ELISION = re.compile(r"^(?:[cdjlmnst]|qu|all|dell|nell|un)['’]")  # J'ai, d'abord, dell'altro.


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a text between two punctuation marks, without them."""

    text: str
    is_question: bool


@dataclass(slots=True)
class Word:
    """A word of a clause, how much it says about the subject, and whether a phrase may begin or end with it."""

    text: str
    weight: float
    begins: bool = True
    ends: bool = True


def extract(messages: Sequence[tuple[str, str]]) -> str:
    """Return a title from the user's first text, or from a later one if that says nothing.

    `messages` are pairs of role and text, oldest first, at least one text not blank. The title meets every rule.
    """
    texts = _looked_at(text for role, text in messages if role == "user")
    for requests in (REQUESTS, frozenset[str]()):  # "Write a poem" has no other subject than its request.
        for text in texts:
            title = _from_text(text, requests)
            if title is not None:
                return title
    # Only greetings, single words or signs: take all texts of the user together, else those of the others.
    others = _looked_at(text for role, text in messages if role != "user")
    return _from_little(texts) or _from_little(others) or UNNAMED


def _looked_at(texts: Iterable[str]) -> list[str]:
    """Return the first texts, cut to TEXT_CHARACTERS_MAX characters together, to bound the time."""
    looked_at, left = [], TEXT_CHARACTERS_MAX
    for text in texts:
        if text.strip() and left > 0:
            looked_at.append(text[:left])
            left -= len(text)
    return looked_at


def _from_text(text: str, requests: frozenset[str]) -> str | None:
    prose = _FENCED.sub("\n", text)
    for part in dict.fromkeys((prose, text)):  # A text of code alone needs a title too.
        title = _from_clauses(_clauses(part), requests)
        if title is not None:
            return title
    return None


def _clauses(text: str) -> list[Clause]:
    clauses = [Clause(tidy(part), part.rstrip().endswith(("?", "؟"))) for part in _CLAUSE_END.split(text)]
    return [clause for clause in clauses if clause.text][:CLAUSES_MAX]


def _from_clauses(clauses: list[Clause], requests: frozenset[str]) -> str | None:
    keys = [_key(word) for clause in clauses for word in clause.text.split()]
    vocabulary, counts = vocabulary_of(keys, requests), Counter(keys)
    best, best_score = None, 0.0
    for position, clause in enumerate(clauses):
        window, score = _window_of(clause, vocabulary, counts)
        # People say first what they want; later clauses must be much better to win.
        score /= 1 + position / 4
        if score > best_score:
            title = finished(shortened(window))
            if title is not None:
                best, best_score = title, score
    return best


def _window_of(clause: Clause, vocabulary: Vocabulary, counts: Counter[str]) -> tuple[str, float]:
    if UNSPACED.search(clause.text):
        subject = UNSPACED_REQUEST.sub("", clause.text)
        return UNSPACED_DANGLING.sub("", subject), min(UNSPACED_SCORE, len(subject) / 2)
    words, is_request = _words(clause.text, vocabulary, counts)
    window, score = _best_window(words)
    return window, score * (ASKED_FACTOR if is_request or clause.is_question else 1)


def _key(word: str) -> str:
    return _EDGE.sub("", word).casefold()


def _words(clause: str, vocabulary: Vocabulary, counts: Counter[str]) -> tuple[list[Word], bool]:
    """Return the clause's words without articles, and whether it begins as a request."""
    words: list[Word] = []
    is_request, is_opening, follows_article, previous = False, True, False, ""
    for text in clause.split():
        key = _key(text)
        is_asking = _asks(key, vocabulary.requests) and (is_opening or previous in CONJUNCTIONS)
        is_request = is_request or (is_asking and is_opening)
        previous = key
        if key in vocabulary.articles and not (len(key) == 1 and text.isupper() and words):
            follows_article = True
            # An article begins a phrase: the word before it is a verb or a preposition.
            if words:
                words[-1].ends = False
            continue
        word = Word(text, 0.0 if is_asking else _weight(text, key, vocabulary, counts))
        if word.weight and words and words[-1].weight:
            words[-1].ends = False
            word.begins = follows_article
        is_opening = is_opening and not word.weight
        follows_article = False
        words.append(word)
    return words, is_request


def _asks(key: str, requests: frozenset[str]) -> bool:
    return key in requests or any(part in requests for part in re.split("[-'’]", key))


def _weight(text: str, key: str, vocabulary: Vocabulary, counts: Counter[str]) -> float:
    if len(key) == 1 and text[0].isupper() and key != "i":
        return 0.5  # Person A, vitamin C.
    if not key or {key, _ELISION.sub("", key)} & vocabulary.stop_words:
        return 0.0
    if key in META:
        return 0.5
    return 1 + log2(counts[key]) / 2 + (NAME_SCORE if text[0].isupper() else 0)


def _best_window(words: list[Word]) -> tuple[str, float]:
    """Return the best two to five words in a row and their score; whole phrases score more, the earliest wins a tie."""
    best, best_score = "", 0.0
    for start, first in enumerate(words):
        window = words[start : start + WORDS_MAX]
        for end in range(1, len(window)):
            text = " ".join(word.text for word in window[: end + 1])
            if not first.weight or len(text) > CHARACTERS_MAX:
                break
            score = sum(word.weight or GAP_SCORE for word in window[: end + 1])
            score += (0 if first.begins else CUT_SCORE) + (0 if window[end].ends else 2 * CUT_SCORE)
            score /= 1 + start / 10
            if window[end].weight and score > best_score:
                best, best_score = text, score
    return best, best_score


def _from_little(texts: list[str]) -> str | None:
    words: list[str] = []
    for text in texts:
        words = [*words, *tidy(text).split()][: 2 * WORDS_MAX]
        # Shortening may leave nothing of small words alone: "what is it that you are".
        title = finished(shortened(" ".join(words))) or finished(" ".join(words[:WORDS_MAX]))
        if title is not None:
            return title
    return finished(shortened(f"{words[0]} {_companion(words[0])}")) if words else None


def _companion(word: str) -> str:
    script = unicodedata.name(word[0], "").split(" ")[0]
    return COMPANIONS.get(script, COMPANION)
