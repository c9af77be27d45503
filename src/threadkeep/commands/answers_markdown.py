"""Markdown on a terminal, by rich, but with character references made harmless and formulas left as written."""

import re
from collections.abc import Iterable

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from rich.markdown import Markdown

from threadkeep.commands.showing import harmless

# The end of a formula, by its beginning.
ENDS = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}
BLOCKS = ("\\[", "$$")
# Between single dollars: no blank inside next to them, and no digit after them, so that "$5 and $6" is no formula.
DOLLARS = re.compile(r"\$(?=[^\s$])[^$\n]*?(?<=[^\s\\])\$(?!\d)")
# How far the end of a formula is searched for: a text may hold many beginnings without an end.
FORMULA_CHARACTERS_MAX = 4000
FORMULA_LINES_MAX = 100


class AnswerMarkdown(Markdown):
    """Shows the address of a link, not only its words: a model or a stranger may link to any address."""

    def __init__(self, text: str) -> None:
        super().__init__("", hyperlinks=False)
        self.markup = harmless(text)
        self.parsed = PARSER.parse(self.markup)
        make_harmless(self.parsed)


def make_harmless(tokens: Iterable[Token]) -> None:
    """Replace control characters that came from references such as `&#x202E;`, which parsing has decoded."""
    for token in tokens:
        token.content = harmless(token.content)
        make_harmless(token.children or ())


def inline_formula(state: StateInline, silent: bool) -> bool:
    """Keep a formula within a line as it is: its backslashes, `_` and `*` are no Markdown."""
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
        # From 3 on: at least one character between the signs.
        end = text.find(ENDS[begin], start + 3, min(text_end, start + FORMULA_CHARACTERS_MAX))
        # A lone `\(` is kept: it is rather a formula that is still being written than an escaped parenthesis.
        return text[start : end + 2] if end >= 0 else begin if begin == "\\(" else ""
    match = DOLLARS.match(text, start, text_end)
    return match[0] if match else ""


def add_lines(state: StateInline, text: str) -> None:
    for number, line in enumerate(text.split("\n")):
        if number:
            state.push("hardbreak", "br", 0)
        state.push("text", "", 0).content = line


def block_formula(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Keep the lines of a formula in its own block as they are: they might begin like a list or a heading."""
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
        # `inline_formula` handles the content.
        token.map = [start_line, state.line]
        state.push("paragraph_close", "p", -1)
    return True


PARSER = MarkdownIt().enable("strikethrough").enable("table")
PARSER.inline.ruler.before("escape", "formula", inline_formula)
PARSER.block.ruler.before("fence", "formula", block_formula, {"alt": ["paragraph", "reference", "blockquote", "list"]})
