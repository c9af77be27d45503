"""Joins the page's modules into few scripts while the server runs, so that whoever changes the page builds nothing.

Each module becomes a function that is called once, after those that it imports; what it imports are constants inside
it. That is what ES modules do as long as they do not import each other in a circle and export what never changes, so
both is demanded here.

`import("./x.js")` of one of the page's own modules begins a script of its own, with all that only that module needs.
`import("./vendor/x.mjs")` is left to the browser, and so is what that file imports. `import.meta.url` is the address
of the module's own file, so `new URL("./vendor/x.css", import.meta.url)` is the address of a file beside it.
"""

import posixpath
import re
from pathlib import Path

# Forms begin with the word that is looked for, and then look back at what is before it: the other way takes ten times
# as long. In a library without white space a form may also stand behind a semicolon or a brace.
IMPORT = re.compile(r'import(?<![^\n;]import)\s*(\w+|\{[^}]*\})\s*from\s*"(\.[^"]+)";?')
PASSED_ON = re.compile(r'export(?<![^\n]export)\s*\{([^}]*)\}\s*from\s*"(\.[^"]+)";?')
LISTED = re.compile(r"export(?<![^\n;}]export)\s*\{([^}]*)\};?")
DECLARED = re.compile(r"export (?<![^\n]export )(?=(?:async )?(?:function\*?|class|const) ([\w$]+))")
DEFAULT = re.compile(r"export default (?<![^\n]export default )(?=(?:async )?function\*? ([\w$]+))")
LATER = re.compile(r'import\("(\.[^"]+)"\)')
# Comments that fill lines, but licences. A line of a template must not look like one.
COMMENT = re.compile(r"^[ \t]*(?://.*|/\*(?!\*\n \* @license|!)(?:[^*]|\*(?!/))*\*/[ \t]*)\n", re.M)
MAP_NAME = re.compile(r"//# sourceMappingURL=.*")
NOT_UNDERSTOOD = (re.compile(r"import(?<![^\n]import)[\s{].*"), re.compile(r"export(?<![^\n]export)[\s{*].*"))
BEGINNING = """const modules = {};
const at = (path) => new URL("web/" + path, document.baseURI).href;
const begun = {};
const later = (name) => begun[name] ??= import(at("joined/" + name)).then(
  (script) => script.default(modules, at, later), (error) => { delete begun[name]; throw error; });
"""
# Two scripts that come later may both need a module: whichever is there first brings it along.
MODULE = 'modules["%s"] ??= (() => {\n%s\nreturn { %s };\n})();\n'
SCRIPT_LATER = 'export default (modules, at, later) => {\n%sreturn modules["%s"];\n};\n'


class Module:
    """One module while it is written as a function, which leaves what the module exports in `modules`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.imports: list[str] = []
        self.imports_later: list[str] = []
        self.exports: list[str] = []
        text = COMMENT.sub("", MAP_NAME.sub("", (folder / name).read_text()))
        for form, written in (
            (IMPORT, self._bring_in),
            (PASSED_ON, self._pass_on),
            (LISTED, self._export),
            # Only the word before what is declared is left out: that is all that this form matches.
            (DECLARED, self._export),
            (DEFAULT, self._export_default),
            (LATER, self._begin_later),
        ):
            text = form.sub(written, text)
        strange = [line for form in NOT_UNDERSTOOD for line in form.findall(text)]
        if strange:
            raise ValueError(f"{name}: {strange[0]!r} is not written in a way that can be joined.")
        text = text.replace("import.meta.url", f'at("{name}")').strip()
        self.text = MODULE % (name, text, ", ".join(self.exports))

    def _bring_in(self, found: re.Match[str]) -> str:
        self.imports.append(self._path_of(found[2]))
        names = found[1] if found[1].startswith("{") else f"{{ default: {found[1]} }}"
        return f'const {names.replace(" as ", ": ")} = modules["{self.imports[-1]}"];'

    def _pass_on(self, found: re.Match[str]) -> str:
        self.imports.append(self._path_of(found[2]))
        self.exports += [f'{shown}: modules["{self.imports[-1]}"].{own}' for own, shown in pairs(found[1])]
        return ""

    def _export(self, found: re.Match[str]) -> str:
        self.exports += [f"{shown}: {own}" for own, shown in pairs(found[1])]
        return ""

    def _export_default(self, found: re.Match[str]) -> str:
        self.exports.append(f"default: {found[1]}")
        return ""

    def _begin_later(self, found: re.Match[str]) -> str:
        path = self._path_of(found[1])
        if path.startswith("vendor/"):
            return f'import(at("{path}"))'
        self.imports_later.append(path)
        return f'later("{path}")'

    def _path_of(self, written: str) -> str:
        """Return the path of what this module calls `./x.js` or `../x.js`."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.name), written))


def join(folder: Path, first: str) -> dict[str, str]:
    """Return the scripts by the paths of the modules that begin them: `first`, and those that it imports later.

    Raises ValueError about a module that cannot be joined.
    """
    modules: dict[str, Module] = {}
    orders: dict[str, list[str]] = {}
    waiting = [first]
    for name in waiting:
        orders[name] = in_order(folder, name, modules)
        later = {path for each in orders[name] for path in modules[each].imports_later}
        waiting += sorted(later.difference(waiting))
    scripts = {}
    for name, order in orders.items():
        here = [each for each in order if name == first or each not in orders[first]]
        body = "".join(modules[each].text for each in here)
        scripts[name] = BEGINNING + body if name == first else SCRIPT_LATER % (body, name)
    return scripts


def in_order(folder: Path, first: str, modules: dict[str, Module]) -> list[str]:
    """Return a module and all that it imports at once, each behind what it imports itself."""
    order: list[str] = []
    underway: list[str] = []

    def visit(name: str) -> None:
        if name in underway:
            raise ValueError(f"These modules import each other in a circle: {' -> '.join([*underway, name])}.")
        if name in order:
            return
        if name not in modules:
            modules[name] = Module(folder, name)
        underway.append(name)
        for other in modules[name].imports:
            visit(other)
        order.append(underway.pop())

    visit(first)
    return order


def pairs(listed: str) -> list[tuple[str, str]]:
    """Return what stands between braces as pairs of a name inside and a name outside: `a as b, c`."""
    names = [name.split(" as ") for name in listed.split(",") if name.strip()]
    return [(each[0].strip(), each[-1].strip()) for each in names]
