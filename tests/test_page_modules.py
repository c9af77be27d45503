"""The page's modules are joined by the server: in order, in as few scripts as are needed, or not at all."""

import re
from pathlib import Path

import pytest

from threadkeep.server.page_modules import join
from threadkeep.server.web_files import WebFiles, closed

WEB = Path(__file__).parent.parent / "src" / "threadkeep" / "web"
MADE = re.compile(r'^modules\["([^"]+)"\] \?\?=', re.M)


@pytest.fixture
def folder(tmp_path):
    def write(**modules: str) -> Path:
        for name, text in modules.items():
            (tmp_path / f"{name}.js").write_text(text)
        return tmp_path

    return write


def test_a_module_stands_behind_those_that_it_imports(folder):
    place = folder(
        app='import { b } from "./b.js";\nimport { c as d } from "./c.js";\nb(d);\n',
        b='import { c } from "./c.js";\nexport function b(x) { return x + c; }\n',
        c="export const c = 1;\n",
    )

    [script] = join(place, "app.js").values()

    assert MADE.findall(script) == ["c.js", "b.js", "app.js"]
    assert 'const { c: d } = modules["c.js"];' in script
    assert not re.search(r"^\s*(import|export)\b", script, re.M)


def test_what_is_imported_later_is_a_script_of_its_own_with_what_only_it_needs(folder):
    place = folder(
        app="""import { c } from "./c.js";
const more = () => import("./b.js");
const lib = () => import("./vendor/x.mjs");
""",
        b='import { c } from "./c.js";\nimport { d } from "./d.js";\nexport const b = c + d;\n',
        c="export const c = 1;\n",
        d="export const d = 2;\n",
    )

    scripts = join(place, "app.js")

    assert {name: MADE.findall(script) for name, script in scripts.items()} == {
        "app.js": ["c.js", "app.js"],
        "b.js": ["d.js", "b.js"],
    }
    assert 'const more = () => later("b.js");' in scripts["app.js"]
    assert 'const lib = () => import(at("vendor/x.mjs"));' in scripts["app.js"]


def test_a_module_knows_where_its_own_file_is(folder):
    place = folder(app='const icons = new URL("./icons/", import.meta.url);\n')

    assert 'new URL("./icons/", at("app.js"))' in join(place, "app.js")["app.js"]


@pytest.mark.parametrize(
    "text",
    [
        "export let count = 0;",
        "export default function () {}",
        'export * from "./b.js";',
        'import * as b from "./b.js";',
        'import "./b.js";',
        "import { b } from './b.js';",
    ],
)
def test_what_cannot_be_joined_is_refused_by_name(folder, text):
    with pytest.raises(ValueError, match=re.escape(f"app.js: {text!r}")):
        join(folder(app=f"{text}\n", b="export const b = 1;\n"), "app.js")


def test_modules_that_import_each_other_in_a_circle_are_refused(folder):
    place = folder(
        app='import { b } from "./b.js";\n', b='import { c } from "./c.js";\n', c='import { b } from "./b.js";\n'
    )

    with pytest.raises(ValueError, match=re.escape("b.js -> c.js -> b.js")):
        join(place, "app.js")


@pytest.mark.parametrize("text", ["'</SCRIPT>'", "`<!--`"])
def test_a_script_that_would_end_in_the_middle_of_the_page_is_refused(text):
    with pytest.raises(ValueError, match="two parts"):
        closed(text)


def test_every_module_of_the_page_is_in_one_of_its_scripts():
    names = {name for script in join(WEB, "app.js").values() for name in MADE.findall(script)}

    assert {path.name for path in WEB.glob("*.js")} - names == {"theme-first.js"}


def test_a_changed_file_changes_the_version(tmp_path):
    for name in ("index.html", "a.css"):
        (tmp_path / name).write_text("<title></title>\n")
    before = WebFiles(tmp_path).version

    (tmp_path / "a.css").write_text("a {}\n")

    assert WebFiles(tmp_path).version != before


def test_a_function_that_a_module_exports_as_its_default_is_what_others_import(folder):
    place = folder(app='import f from "./f.mjs";\nf();\n')
    (place / "f.mjs").write_text("export default function named (x) {\n}\n")

    [script] = join(place, "app.js").values()

    assert "\nfunction named (x) {\n" in script and "return { default: named };" in script
