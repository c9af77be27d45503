"""Which language a text is in, and the words that say nothing in it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from threadkeep.titles.words import ARTICLES, CONTENT

# The head start of the languages with the most writers. English wins a tie.
PRIOR = 1.0


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of a language that a title does not need: anywhere, at its ends, at the beginning of a request."""

    articles: frozenset[str]
    stop_words: frozenset[str]
    requests: frozenset[str]


def vocabulary_of(words: Iterable[str], requests: frozenset[str]) -> Vocabulary:
    """Return the vocabulary of the language that most small words belong to; English if there are none."""
    languages_of = _languages_of()
    scores: defaultdict[str, float] = defaultdict(float, dict.fromkeys(ARTICLES, PRIOR))
    for word in set(words):
        languages = languages_of.get(word, ())
        for language in languages:
            # A word of many languages says little about which one it is.
            scores[language] += 1 + 2 / len(languages)
    language = max(scores, key=lambda each: scores[each])
    return Vocabulary(ARTICLES.get(language, frozenset()), _stop_words_of(language), requests)


@cache
def _languages_of() -> dict[str, tuple[str, ...]]:
    # Imported when first needed: it reads the words of all languages from the disk.
    from stopwordsiso import langs

    languages: dict[str, tuple[str, ...]] = {}
    for language in sorted(langs()):
        for word in _stop_words_of(language):
            languages[word] = (*languages.get(word, ()), language)
    return languages


@cache
def _stop_words_of(language: str) -> frozenset[str]:
    from stopwordsiso import stopwords

    return frozenset(word.casefold() for word in stopwords(language)) - CONTENT
