"""Answers on a terminal: what is looked at for formulas grows with the answer, and not with its square."""

import pytest
from markdown_it.rules_block import StateBlock

from threadkeep.commands.answers_markdown import FORMULA_CHARACTERS_MAX, FORMULA_LINES_MAX, AnswerMarkdown

LINES = 400


def kinds_in(text):
    return [each.type for token in AnswerMarkdown(text).parsed for each in token.children or ()]


def shown_by(text):
    return [each.content for token in AnswerMarkdown(text).parsed for each in token.children or () if each.content]


@pytest.mark.parametrize(
    ("text", "looks_max"),
    [
        ("- a\n" * LINES, 20),
        ("a\n\n" * LINES, 20),
        ("a\n" * LINES, 20),
        ("\\[ a\n" * LINES, 2 * FORMULA_LINES_MAX),
        ("$$ a\n\n" * LINES, 2 * FORMULA_LINES_MAX),
    ],
    ids=["a list", "paragraphs", "one paragraph", "openings in a paragraph", "openings without an end"],
)
def test_a_line_is_read_a_bounded_number_of_times(monkeypatch, text, looks_max):
    read = []
    get_lines = StateBlock.getLines

    def counted(state, begin, end, *rest):
        read.append(end - begin)
        return get_lines(state, begin, end, *rest)

    monkeypatch.setattr(StateBlock, "getLines", counted)
    AnswerMarkdown(text)

    assert sum(read) < looks_max * LINES


@pytest.mark.parametrize(("begin", "end"), [("\\(", "\\)"), ("a \\[", "\\]"), ("a $$", "$$")])
def test_the_end_of_a_formula_is_looked_for_in_what_a_formula_takes(begin, end):
    long = "x" * FORMULA_CHARACTERS_MAX

    assert "em_open" not in kinds_in(f"{begin} *a* {end}")
    assert "em_open" in kinds_in(f"{begin} *a* {long} {end}")


def test_the_beginning_of_a_formula_without_its_end_stays_as_it_was_written():
    assert shown_by(r"So \(a and b\) and \(c") == [r"So \(a and b\) and \(c"]
