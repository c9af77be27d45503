"""What a title may look like, and how a model's answer becomes one."""

import html
import json
import re
import unicodedata
from collections.abc import Iterator

from threadkeep.titles.unspaced import UNSPACED, graphemes, phrases
from threadkeep.titles.words import (
    DANGLING,
    INTERJECTION,
    LABEL,
    PREAMBLE,
    REFUSAL,
    TITLE_FIELD,
    UNSPACED_DANGLING,
)

WORDS_MIN = 2
WORDS_MAX = 5
CHARACTERS_MAX = 50

# Scripts without spaces do not mark words: two characters may be two words, and a word has at most four.
UNSPACED_WORD_CHARACTERS_MAX = 4

# So many words are a sentence, and no part of it makes a title.
PROSE_WORDS_MIN = 9
ANSWER_CHARACTERS_MAX = 4_000
LINES_MAX = 20
LABELS_MAX = 5

_REASONING_END = re.compile(r"</(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad)\s*>", re.I)
_REASONING_START = re.compile(r"<(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad)\s*>", re.I)
_MODEL_TOKEN = re.compile(r"<\|[^|<>]{0,40}\|>|\[/?INST\]|</?s>")
_ELEMENT = (
    r"a|b|i|u|s|p|em|br|hr|li|ol|ul|td|tr|h[1-6]|div|pre|sub|sup|img|svg|body|code|font|head|html|link|mark|meta|span"
    r"|small|style|table|title|input|video|iframe|script|strong|button|center|details|summary"
)
# An unknown name right after a word is no tag: `List<String>` is kept.
_TAG = re.compile(rf"</[^<>]{{0,200}}>|<(?:{_ELEMENT})\b[^<>]{{0,500}}>|(?<!\w)<[a-z!][^<>]{{0,500}}>|</", re.I)
_SCRIPT = re.compile(r"<(script|style)\b.*?(?:</\1>|\Z)", re.I | re.S)
_LINK = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()\s]{0,500}\)")
_URL = re.compile(
    r"\b(?:https?|ftp)://(?:[^\s/@]{0,100}@)?(?:www\.)?([^\s/?#:<>\"'()]{1,253})(?:[^\s<>\"']{0,2000})", re.I
)
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_BULLET = re.compile(r"^\s*(?:[-*+•·‣◦▪>#|=]+\s+|\(?(?:\d{1,3}|[a-z])[.):]\s+|>+)+", re.I)
_MARKUP = re.compile(r"(?<!\w)[*_~]+|[*_~]+(?!\w)|[*~]{2,}|__+|`+")
# Quotes of all scripts. Those that are apostrophes too match only without letters on both sides.
_QUOTES = re.compile(r"(?<!\w)['’‘ʼ＇´]+|['’‘ʼ＇´]+(?!\w)|[\"“”„‟«»‹›‚‛「」『』《》〈〉｢｣〝〞〟＂❛❜❝❞❟❠⹂⟪⟫]+")
_NOTE = re.compile(r"\s[(\[（【][^()\[\]（）【】]*[)\]）】]\W*$")
_BRACKETS = {")": "(", "]": "[", "}": "{", "）": "（", "】": "【", "］": "［"}


def clean(text: str) -> str | None:
    """Return the title in a model's answer, or None if there is none; the caller then extracts one.

    A single word, a paragraph, a refusal and a question to the user are not titles.
    """
    answer = _MODEL_TOKEN.sub(" ", _without_reasoning(text))[:ANSWER_CHARACTERS_MAX]
    field = TITLE_FIELD.search(answer)
    if field is not None:
        return _title_in(_json_text(field[1]))
    for line in _lines(answer):
        title = _title_in(line)
        if title is not None:
            return title
    return None


def _without_reasoning(text: str) -> str:
    ends = [end.end() for end in _REASONING_END.finditer(text)]
    answer = text[ends[-1] :] if ends else text
    if not answer.strip():  # The thoughts came after the title.
        answer = text
    start = _REASONING_START.search(answer)
    return answer[: start.start()] if start else answer


def _json_text(literal: str) -> str:
    try:
        return str(json.loads(f'"{literal}"', strict=False))
    except ValueError:
        return literal


def _lines(answer: str) -> Iterator[str]:
    lines = (line for line in answer.splitlines() if line.strip() and not _FENCE.match(line))
    for _, line in zip(range(LINES_MAX), lines, strict=False):
        yield line


def _title_in(line: str) -> str | None:
    words = without_label(_visible(line))
    if words.endswith((":", "：")):
        return None
    words = tidy(words)
    if not words or REFUSAL.match(words) or PREAMBLE.match(words) or words_at_least(words) >= PROSE_WORDS_MIN:
        return None
    return finished(shortened(words))


def without_label(line: str) -> str:
    """Leave out what a model says before a title: "Sure! Here is the title:", "**Title**:"."""
    plain = _MARKUP.sub("", _QUOTES.sub("", _BULLET.sub("", line))).strip()
    for _ in range(LABELS_MAX):
        match = INTERJECTION.match(plain) or LABEL.match(plain)
        if match is None:
            break
        plain = plain[match.end() :]
    return plain


def tidy(text: str) -> str:
    """Return the text in one line, without markup, quotes, invisible characters, and a note in brackets at its end."""
    visible = _SCRIPT.sub(" ", _visible(html.unescape(text)))
    unmarked = _TAG.sub(" ", _URL.sub(r"\1", _LINK.sub(r"\1", visible)))
    unquoted = _NOTE.sub("", _MARKUP.sub(" ", _QUOTES.sub(" ", _BULLET.sub("", unmarked))))
    return _trimmed(unquoted)


def _visible(text: str) -> str:
    """Leave out control, bidirectional and unassigned characters; joiners stay where they change how text looks."""
    characters: list[str] = []
    marks = 0
    normal = unicodedata.normalize("NFC", text)
    for index, character in enumerate(normal):
        category = unicodedata.category(character)
        marks = marks + 1 if category[0] == "M" else 0
        if category[0] == "Z" or character in "\t\n\r\v\f\x85":
            characters.append(" ")
        elif character in "\u200c\u200d":
            following = normal[index + 1 : index + 2]
            if characters and _is_joined(characters[-1]) and following and _is_joined(following):
                characters.append(character)
        elif category[0] == "M":
            # A combining mark needs a character to stand on, and at most three are kept on one.
            if marks <= 3 and characters and characters[-1] != " ":
                characters.append(character)
        elif category[0] != "C" and character not in "\u115f\u1160\u3164\uffa0\u2800\ufffc\ufffd":
            characters.append(character)
    return "".join(characters)


def _is_joined(character: str) -> bool:
    """Whether joiners between this character and another one mean something: emoji, Arabic and Indic scripts."""
    if unicodedata.category(character) in ("So", "Sk", "Mn", "Mc"):
        return True
    return "\u0600" <= character <= "\u1fff" and character.isalpha()


def _trimmed(text: str) -> str:
    """Leave out punctuation at both ends, brackets without a partner, and superfluous spaces."""
    words, previous = text, None
    while words != previous:  # Cutting one bracket of a pair leaves the other alone.
        previous = words
        # A combining mark may have lost its character.
        words = " ".join(_visible(_balanced(words)).split())
        start, end = 0, len(words)
        while start < end and not _may_begin(words, start):
            start += 1
        while start < end and not _may_end(words, start, end - 1):
            end -= 1
        words = words[start:end]
    return words


def _balanced(text: str) -> str:
    kept = list(text)
    opened: list[int] = []
    for index, character in enumerate(text):
        if character in _BRACKETS.values():
            opened.append(index)
        elif character in _BRACKETS:
            if opened and text[opened[-1]] == _BRACKETS[character]:
                opened.pop()
            else:
                kept[index] = " "
    for index in opened:
        kept[index] = " "
    return "".join(kept)


def _may_begin(words: str, index: int) -> bool:
    character, following = words[index], words[index + 1 : index + 2]
    if unicodedata.category(character)[0] in "LN":
        return True
    if character in ".@#/$€£¥":  # .NET, @ada, #1, /etc, $100
        return following.isalnum()
    return unicodedata.category(character) == "So"


def _may_end(words: str, start: int, index: int) -> bool:
    character, previous = words[index], words[index - 1 : index] if index > start else ""
    category = unicodedata.category(character)
    if character in "#%‰°+":  # C#, 5%, 20°, C++
        return previous.isalnum() or (character == "+" and previous == "+")
    # A joiner or a sign that changes the emoji before it stays; a lone accent, dash or bracket goes.
    return category[0] in "LNM" or category in ("So", "Sc") or "\U0001f3fb" <= character <= "\U0001f3ff"


def words_at_least(title: str) -> int:
    """Count the words; in scripts without spaces, every four characters count as one."""
    spaced, unspaced = _counted(title)
    return spaced + -(-unspaced // UNSPACED_WORD_CHARACTERS_MAX)


def is_title(title: str) -> bool:
    """Whether the text has as many words as a title may have, and not too many characters."""
    spaced, unspaced = _counted(title)
    return spaced + unspaced >= WORDS_MIN and words_at_least(title) <= WORDS_MAX and len(title) <= CHARACTERS_MAX


def _counted(title: str) -> tuple[int, int]:
    unspaced = UNSPACED.findall(title)
    words = UNSPACED.sub(" ", title).split()
    return sum(1 for word in words if any(map(str.isalnum, word))), sum(map(str.isalnum, unspaced))


def shortened(words: str) -> str:
    """Cut after the last word that fits; never within a word unless nothing else is left."""
    title = ""
    for phrase in phrases(words):
        if not _fits(title + phrase):
            break
        title += phrase
    if title == words:
        return title
    if not title.strip():
        title = _first_graphemes(words)
    return _without_dangling(title.split(" "))


def _fits(title: str) -> bool:
    return len(title.strip()) <= CHARACTERS_MAX and words_at_least(title) <= WORDS_MAX


def _first_graphemes(word: str) -> str:
    title = ""
    for grapheme in graphemes(word):
        if not _fits(title + grapheme):
            break
        title += grapheme
    return title


def _without_dangling(words: list[str]) -> str:
    """Leave out small words at the end of a cut: "Ways to learn how to" ends with "learn"."""
    while len(words) > 1 and words[-1].casefold() in DANGLING:
        words = words[:-1]
    return UNSPACED_DANGLING.sub("", " ".join(words))


def finished(words: str) -> str | None:
    """Return the words as a title: trimmed, beginning with a capital. None if they do not make one."""
    title = _trimmed(words)
    first = title.split(" ", 1)[0]
    if first.islower() and first.replace("-", "").replace("'", "").isalpha():  # Not iPhone, x+y or example.com.
        capital = first[0].title()
        title = (capital if len(capital) == 1 else first[0]) + title[1:]
    return title if is_title(title) else None
