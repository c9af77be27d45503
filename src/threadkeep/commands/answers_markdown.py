"""Markdown on a terminal, by rich: harmless also where it names characters by their numbers, formulas as written."""

import re
from collections.abc import Iterable

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from rich.markdown import Markdown

from threadkeep.commands.showing import harmless

# One of dollars begins and ends at a sign that is no blank, and no digit follows: "$5 and $6" is none.
INLINE = re.compile(r"\\\(.+?\\\)|\\\[.+?\\\]|\$\$.+?\$\$|\$(?=[^\s$])[^$\n]*?(?<=[^\s\\])\$(?!\d)", re.DOTALL)
ENDS = {"$$": "$$", "\\[": "\\]"}


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
    match = INLINE.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        add_lines(state, match[0])
    state.pos = match.end()
    return True


def add_lines(state: StateInline, text: str) -> None:
    for number, line in enumerate(text.split("\n")):
        if number:
            state.push("hardbreak", "br", 0)
        state.push("text", "", 0).content = line


def block_formula(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Keep the lines of a formula that stands by itself, whose lines might begin like a list or a heading."""
    if state.is_code_block(start_line):
        return False
    lines = [state.getLines(each, each + 1, state.tShift[start_line], False) for each in range(start_line, end_line)]
    end = ENDS.get(lines[0].strip()[:2])
    if end is None:
        return False
    for count, line in enumerate(lines, 1):
        if line.rstrip().endswith(end) and (count > 1 or len(line.strip()) > 3):
            break
    else:
        return False
    if not silent:
        state.line = start_line + count
        state.push("paragraph_open", "p", 1)
        token = state.push("inline", "", 0)
        token.content, token.children = "\n".join(lines[:count]), []
        # The inline rule takes it from here.
        token.map = [start_line, state.line]
        state.push("paragraph_close", "p", -1)
    return True


PARSER = MarkdownIt().enable("strikethrough").enable("table")
PARSER.inline.ruler.before("escape", "formula", inline_formula)
PARSER.block.ruler.before("fence", "formula", block_formula, {"alt": ["paragraph", "reference", "blockquote", "list"]})
