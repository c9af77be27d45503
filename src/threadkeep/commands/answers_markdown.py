"""Markdown on a terminal, by rich: harmless also where it names characters by their numbers, formulas as written."""

import re
from collections.abc import Iterable

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from rich.markdown import Markdown

from threadkeep.commands.showing import harmless

# Where a formula ends that begins so.
ENDS = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}
BLOCKS = ("\\[", "$$")
# One of dollars begins and ends at a sign that is no blank, and no digit follows: "$5 and $6" is none.
DOLLARS = re.compile(r"\$(?=[^\s$])[^$\n]*?(?<=[^\s\\])\$(?!\d)")
# What begins and does not end is looked through no further: there may be many beginnings.
FORMULA_CHARACTERS_MAX = 4000
FORMULA_LINES_MAX = 100


class AnswerMarkdown(Markdown):
    """Addresses are shown, not hidden behind words: a text from a model or a stranger may name any."""

    def __init__(self, text: str) -> None:
        super().__init__("", hyperlinks=False)
        self.markup = harmless(text)
        self.parsed = PARSER.parse(self.markup)
        make_harmless(self.parsed)


def make_harmless(tokens: Iterable[Token]) -> None:
    """Markdown has names for every character, such as `&#x202E;`; reading it has put these characters in."""
    for token in tokens:
        token.content = harmless(token.content)
        make_harmless(token.children or ())


def inline_formula(state: StateInline, silent: bool) -> bool:
    """Keep a formula within a line as it is: a backslash, `_` or `*` in it is no Markdown."""
    formula = formula_at(state.src, state.pos, state.posMax)
    if not formula:
        return False
    if not silent:
        add_lines(state, formula)
    state.pos += len(formula)
    return True


def formula_at(text: str, start: int, text_end: int) -> str:
    """Return the formula that begins here, or "" if none does."""
    begin = text[start : start + 2]
    if begin in ENDS:
        # Something stands between the signs.
        end = text.find(ENDS[begin], start + 3, min(text_end, start + FORMULA_CHARACTERS_MAX))
        # Nobody protects a parenthesis from Markdown: it is one whose end is yet to come, or was forgotten.
        return text[start : end + 2] if end >= 0 else begin if begin == "\\(" else ""
    match = DOLLARS.match(text, start, text_end)
    return match[0] if match else ""


def add_lines(state: StateInline, text: str) -> None:
    for number, line in enumerate(text.split("\n")):
        if number:
            state.push("hardbreak", "br", 0)
        state.push("text", "", 0).content = line


def block_formula(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Keep the lines of a formula that stands by itself, whose lines might begin like a list or a heading."""
    if state.is_code_block(start_line):
        return False
    lines: list[str] = []
    end = ""
    for number in range(start_line, min(end_line, start_line + FORMULA_LINES_MAX)):
        line = state.getLines(number, number + 1, state.tShift[start_line], False)
        if not lines:
            begin = line.strip()[:2]
            if begin not in BLOCKS:
                return False
            end = ENDS[begin]
        lines.append(line)
        if line.rstrip().endswith(end) and (len(lines) > 1 or len(line.strip()) > 3):
            break
    else:
        return False
    if not silent:
        state.line = start_line + len(lines)
        state.push("paragraph_open", "p", 1)
        token = state.push("inline", "", 0)
        token.content, token.children = "\n".join(lines), []
        # The inline rule takes it from here.
        token.map = [start_line, state.line]
        state.push("paragraph_close", "p", -1)
    return True


PARSER = MarkdownIt().enable("strikethrough").enable("table")
PARSER.inline.ruler.before("escape", "formula", inline_formula)
PARSER.block.ruler.before("fence", "formula", block_formula, {"alt": ["paragraph", "reference", "blockquote", "list"]})
