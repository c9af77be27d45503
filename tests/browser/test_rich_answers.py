"""Formulas, code, task lists and footnotes in answers; what they need is loaded by the first answer that needs it."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

import threadkeep
from browser.test_looks import PHONE, check_accessible
from support.scripted_model import DONE, finish

WEB = Path(threadkeep.__file__).parent / "web"

FORMULAS = r"""The roots of \(a^2 + bx + c\) are

\[
x = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}
- 0
\]

and $$e^{i\pi} = -1$$ in a line, $n+1$ too.

- in a list: \(\mathbb{R}^n\)
- $$
  \begin{aligned}f &= 1\\ &= 2\end{aligned}
  $$
"""
PRICES = [
    "It costs $5 and $10.",
    "From $20,000 to $30,000, or US$5 to US$6.",
    "I paid $5 (not 6$).",
    "($5) or ($6)",
    r"\$x\$ and $ x $ and $HOME/$USER",
    "a $ b $ c",
]
CODE = '```python\ndef f(x):\n    return "a" + str(1)  # why\n```\n\n```mermaid\ngraph TD\n```\n\n    plain()\n'
NOTES = """Tea[^1] and coffee[^big], tea again[^1].

- [x] bought
- [ ] drunk
- [y] neither

[^1]: Black.
[^big]: With `milk`.

    And sugar.
"""
LAZY = re.compile("katex|highlight")


async def shown(visit, ada, *answers, **more):
    thread = await ada.create_thread(title="rich")
    for answer in answers:
        await ada.post_messages(thread, [{"role": "assistant", "content": answer}])
    screen = await visit(ada, **more)
    asked = []
    screen.page.on("request", lambda request: asked.append(request.url))
    await screen.open_thread(ada, thread)
    await expect(screen.messages).to_have_count(len(answers))
    return screen, asked


async def test_formulas_are_typeset_and_can_be_heard(visit, ada):
    screen, asked = await shown(visit, ada, FORMULAS)

    await expect(screen.page.locator(".prose .katex")).to_have_count(6)
    await expect(screen.page.locator(".prose math")).to_have_count(6)
    await expect(screen.page.locator(".prose .katex-display")).to_have_count(3)
    await expect(screen.page.locator(".prose math[display=block] mfrac")).to_have_count(1)
    await expect(screen.page.locator(".prose li .katex")).to_have_count(2)
    assert await screen.page.evaluate("document.querySelector('.katex-html .vlist').style.height") != ""
    assert any("woff2" in url for url in asked)


@pytest.mark.parametrize("words", PRICES)
async def test_prices_and_dollars_of_other_kinds_stay_text(visit, ada, words):
    screen, asked = await shown(visit, ada, words)

    await expect(screen.texts).to_have_text(words.replace("\\$", "$"))
    assert [url for url in asked if LAZY.search(url)] == []


async def test_formulas_in_code_and_formulas_that_are_none_stay_as_they_were_written(visit, ada):
    broken = r"\(\frac{1}{\) and \(unended and `\(code\)` and \(\undefined{x}\) and \[link\](x)" + "\n\n```\n$$x$$\n```"
    screen, _ = await shown(visit, ada, broken + "\n\n\\(fine\\)")

    await expect(screen.page.locator(".prose .katex")).to_have_count(2)
    await expect(screen.texts).to_contain_text(r"\(\frac{1}{\) and \(unended and \(code\) and \(\undefined{x}\)")
    await expect(screen.page.locator(".prose pre")).to_have_text("$$x$$\n")


async def test_a_formula_shows_its_source_while_it_streams_and_is_typeset_once(visit, model, ada):
    screen, _ = await shown(visit, ada, r"\(warm\)")
    await expect(screen.page.locator(".prose .katex")).to_have_count(1)
    go, more = asyncio.Event(), asyncio.Event()
    model.script = ["See\n\n\\[\nx^2\n- y", go, "\n\\]\n\nand", more, " on", finish(), DONE]

    await screen.write("a formula, please")

    await expect(screen.texts.last).to_have_text("See\n\\[\nx^2\n- y")
    await expect(screen.page.locator(".prose li")).to_have_count(0)
    go.set()
    await expect(screen.page.locator(".prose .katex-display")).to_have_count(1)
    more.set()
    await expect(screen.texts.last).to_contain_text("and on")
    await expect(screen.page.locator(".prose .katex-display")).to_have_count(1)
    said = screen.page.get_by_role("log", name="Announcements").locator("p", has_text="x^2")
    await expect(said).to_have_text("\\[\nx^2\n- y\n\\]")


async def test_code_of_a_known_language_is_coloured_and_copied_as_text(visit, ada):
    screen, asked = await shown(visit, ada, CODE)
    await screen.context.grant_permissions(["clipboard-read", "clipboard-write"])

    await expect(screen.page.locator(".prose pre .hljs-keyword")).to_have_text(["def", "return"])
    await expect(screen.page.locator(".prose pre").nth(1)).to_have_text("graph TD\n")
    await screen.button("Copy code").first.click()
    copied = await screen.page.evaluate("navigator.clipboard.readText()")
    assert copied == 'def f(x):\n    return "a" + str(1)  # why\n'
    assert len([url for url in asked if "highlight" in url]) == 1


async def test_code_is_coloured_when_it_is_complete(visit, model, ada):
    screen, _ = await shown(visit, ada, "hello")
    go = asyncio.Event()
    model.script = ["```js\nlet a", go, " = 1\n```\n\nDone", finish(), DONE]

    await screen.write("code")

    await expect(screen.texts.last).to_contain_text("let a")
    await expect(screen.page.locator(".hljs-keyword")).to_have_count(0)
    go.set()
    await expect(screen.page.locator(".hljs-keyword")).to_have_text("let")


async def test_code_without_a_known_language_or_of_great_length_loads_nothing(visit, ada):
    screen, asked = await shown(visit, ada, "```\nx\n```\n\n```mermaid\nx\n```", f"```js\n{'let a;' * 9000}\n```")

    await expect(screen.page.locator(".prose pre")).to_have_count(3)
    assert [url for url in asked if LAZY.search(url)] == []


async def test_the_first_visit_loads_neither_formulas_nor_colours(visit, ada):
    screen, asked = await shown(visit, ada, "An answer with `code`, **words** and [^1] nothing else.\n\n[^1]: A note.")
    await screen.page.reload()
    await expect(screen.messages).to_have_count(1)

    assert [url for url in asked if LAZY.search(url)] == []


async def test_tasks_are_boxes_with_names_that_cannot_be_pressed(visit, ada):
    screen, _ = await shown(visit, ada, NOTES)

    boxes = screen.page.get_by_role("checkbox", name="Done").or_(screen.page.get_by_role("checkbox", name="To do"))
    await expect(boxes).to_have_count(2)
    await expect(boxes.nth(0)).to_be_checked()
    await expect(boxes.nth(1)).not_to_be_checked()
    await expect(boxes.nth(1)).to_be_disabled()
    await expect(screen.page.locator(".prose li").nth(2)).to_have_text("[y] neither")


async def test_footnotes_lead_there_and_back_within_their_own_message(visit, ada):
    screen, _ = await shown(visit, ada, NOTES, NOTES)
    url = screen.page.url
    second = screen.messages.nth(1)

    await screen.button("Footnote 2", second).click()
    note = second.locator("li[data-note='2']")
    await expect(note).to_be_focused()
    await expect(note).to_contain_text("With milk.")
    await expect(note).to_contain_text("And sugar.")
    await screen.button("Back to where footnote 2 stands", second).click()

    await expect(screen.button("Footnote 2", second)).to_be_focused()
    await expect(screen.button("Footnote 1", second)).to_have_count(2)
    assert screen.page.url == url
    assert await screen.page.evaluate("document.querySelectorAll('.prose [id]').length") == 0


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious_in_rich_answers(visit, ada, color_scheme):
    screen, _ = await shown(visit, ada, FORMULAS + NOTES, every_kind_of_code(), color_scheme=color_scheme)
    await expect(screen.page.locator(".katex")).to_have_count(6)
    await expect(screen.page.locator(".hljs-keyword").first).to_be_visible()

    await check_accessible(screen)


async def test_a_phone_shows_rich_answers_without_scrolling_sideways(visit, ada):
    wide = r"\[" + " + ".join(f"x_{{{number}}}" for number in range(60)) + r"\]"
    screen, _ = await shown(visit, ada, f"{wide}\n\n{FORMULAS}{NOTES}{CODE}", **PHONE)
    await expect(screen.page.locator(".katex")).to_have_count(7)

    assert await screen.page.evaluate("document.documentElement.scrollWidth") <= 360


def every_kind_of_code() -> str:
    """Code in which each of the colours is used."""
    return (
        '```python\n@wrap\nclass A(B):\n    """text"""\n    def f(s): return [1, None, r"x", int(2)]  # note\n```\n\n'
        "```css\n#a .b:hover > p[c] { color: #fff !important; }\n```\n\n"
        "```diff\n- gone\n+ come\n```\n\n```html\n<p class='x'>&amp;</p>\n```\n\n"
        "```js\nconst a = `x${b}`; /re/g; new Map(); a.b = () => true;\n```\n\n"
        "```md\n# Head\n\n- *one* [a](b)\n> quoted\n```\n\n```yaml\na: 1\n```\n\n```bash\necho $HOME\n```\n"
    )


async def test_the_languages_for_which_colours_are_loaded_are_those_that_the_library_knows(visit, ada):
    text = (WEB / "dressing.js").read_text().split("new Set((", 1)[1].split(").split", 1)[0]
    named = set("".join(re.findall(r'"([^"]*)"', text)).split())
    screen = await visit(ada)

    known = await screen.page.evaluate(KNOWN_LANGUAGES)

    assert named == set(known) - {"text", "txt", "plaintext"}


KNOWN_LANGUAGES = """async () => {
  const { default: highlight } = await import("/web/vendor/highlight/highlight.min.js");
  return highlight.listLanguages().flatMap((name) => [name, ...(highlight.getLanguage(name).aliases ?? [])]);
}"""


RIGHT_TO_LEFT = """שלום לכולם

1. ראשון
2. שני

- נקודה
- [x] נעשה
- [ ] לא נעשה

> ציטוט

ראו[^1].

[^1]: הערה.
"""
# The side of a block on which its marks stand, and how much room they have there.
SIDES = """() => [...document.querySelectorAll(".prose :is(ul, ol, blockquote)")].map((block) => {
  const style = getComputedStyle(block);
  return [style.direction, parseFloat(style.paddingRight) > 10, parseFloat(style.paddingLeft) > 10];
})"""
BOXES_OUTSIDE = """() => {
  const { left, right } = document.querySelector(".prose").getBoundingClientRect();
  return [...document.querySelectorAll(".prose input[type=checkbox]")].map((box) => {
    const edge = box.getBoundingClientRect();
    const words = box.parentElement.getBoundingClientRect();
    return edge.left < left || edge.right > right || edge.left < words.right - 2;
  });
}"""


async def test_what_is_written_from_right_to_left_has_its_numbers_points_and_boxes_on_the_right(visit, ada):
    screen, _ = await shown(visit, ada, RIGHT_TO_LEFT)

    sides = await screen.page.evaluate(SIDES)

    assert sides == [["rtl", True, False]] * 4
    assert await screen.page.evaluate(BOXES_OUTSIDE) == [False, False]
