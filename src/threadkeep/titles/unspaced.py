"""Where a text may be cut: between words, and in scripts without spaces between phrases."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from budoux import Parser

_JAPANESE = "\u3005\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001aff0-\U0001b16f"
_HAN = (
    "\u2e80-\u2fdf\u3006\u3007\u3021-\u3029\u3038-\u303a\u3192-\u3195\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001d372-\U0001d376\U00020000-\U0003ffff"
)
_THAI = "\u0e00-\u0e7f"
UNSPACED = re.compile(f"[{_JAPANESE}{_HAN}{_THAI}\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f]")
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]")
_JAMO = re.compile("[\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff]")
_WORD = re.compile(r"\s*\S+")


def phrases(text: str) -> Iterator[str]:
    """Yield the pieces between which the text may be cut; together they are the text."""
    for word in _WORD.findall(text):
        if UNSPACED.search(word) is None:
            yield word
        else:
            yield from _phrases_of(word)


def _phrases_of(word: str) -> list[str]:
    whole: list[str] = []
    for phrase in _parser(_language(word)).parse(word):
        # The parser may cut before an accent or a joiner.
        if whole and _belong_together(whole[-1][-1], phrase[0]):
            whole[-1] += phrase
        else:
            whole.append(phrase)
    return whole


def _language(word: str) -> str:
    if re.search(f"[{_THAI}]", word):
        return "thai"
    return "japanese" if re.search(f"[{_JAPANESE}]", word) else "simplified_chinese"


@cache
def _parser(language: str) -> "Parser":
    # Imported when first needed: its models are read from the disk.
    import budoux

    parser: Parser = getattr(budoux, f"load_default_{language}_parser")()
    return parser


def graphemes(text: str) -> Iterator[str]:
    """Yield what a reader sees as single characters; where a script's rule is in doubt, several together."""
    start = 0
    for index in range(1, len(text)):
        if not _belong_together(text[index - 1], text[index]):
            yield text[start:index]
            start = index
    if text:
        yield text[start:]


def _belong_together(previous: str, character: str) -> bool:
    if unicodedata.category(character)[0] == "M" or unicodedata.combining(previous) == 9:  # 9: joins Indic consonants.
        return True
    if previous in "\u200d\u0d4e\U000111c2\U000111c3" or character == "\u200d":
        return True
    if character in "\u200c\u0e33\u0eb3\uff9e\uff9f":
        return True
    if "\U0001f3fb" <= character <= "\U0001f3ff":
        return True
    # A flag is a pair of letters, a Korean syllable a row of them: never cut between two.
    return any(group.match(previous) and group.match(character) for group in (_FLAG, _JAMO))
