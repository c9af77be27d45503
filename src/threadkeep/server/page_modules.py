"""Joins the page's modules into few scripts while the server runs, so that changing the page needs no build step.

Each module becomes a function that is called once, after those that it imports; imports become constants inside it.
This works like ES modules as long as there are no import cycles and exports never change, so both are required.

`import("./x.js")` of one of the page's own modules starts a separate script, with all modules that the first one lacks.
`import("./vendor/x.mjs")` is left to the browser, and so is what that file imports. `import.meta.url` is the address
of the module's own file, so `new URL("./vendor/x.css", import.meta.url)` is the address of a file beside it.
"""

import posixpath
import re
from pathlib import Path

# Each pattern begins with its keyword and then looks back at what precedes it: the other order is ten times slower.
# In a minified library, the keyword may also follow a semicolon or a brace.
IMPORT = re.compile(r'import(?<![^\n;]import)\s*(\w+|\{[^}]*\})\s*from\s*"(\.[^"]+)";?')
PASSED_ON = re.compile(r'export(?<![^\n]export)\s*\{([^}]*)\}\s*from\s*"(\.[^"]+)";?')
LISTED = re.compile(r"export(?<![^\n;}]export)\s*\{([^}]*)\};?")
DECLARED = re.compile(r"export (?<![^\n]export )(?=(?:async )?(?:function\*?|class|const) ([\w$]+))")
DEFAULT = re.compile(r"export default (?<![^\n]export default )(?=(?:async )?function\*? ([\w$]+))")
LATER = re.compile(r'import\("(\.[^"]+)"\)')
# Comments on lines of their own, except licences. A line of a template string must not look like one.
COMMENT = re.compile(r"^[ \t]*(?://.*|/\*(?!\*\n \* @license|!)(?:[^*]|\*(?!/))*\*/[ \t]*)\n", re.M)
MAP_NAME = re.compile(r"//# sourceMappingURL=.*")
NOT_UNDERSTOOD = (re.compile(r"import(?<![^\n]import)[\s{].*"), re.compile(r"export(?<![^\n]export)[\s{*].*"))
BEGINNING = """const modules = {};
const at = (path) => new URL("web/" + path, document.baseURI).href;
const begun = {};
const later = (name) => begun[name] ??= import(at("joined/" + name)).then(
  (script) => script.default(modules, at, later), (error) => { delete begun[name]; throw error; });
"""
# Two later scripts may hold the same module: the one that loads first defines it.
MODULE = 'modules["%s"] ??= (() => {\n%s\nreturn { %s };\n})();\n'
SCRIPT_LATER = 'export default (modules, at, later) => {\n%sreturn modules["%s"];\n};\n'


class Module:
    """One module, rewritten as a function that puts the module's exports into `modules`."""

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
            # The pattern matches only `export `: the declaration after it stays.
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
        """Return the path in the folder of what this module calls `./x.js` or `../x.js`."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.name), written))


def join(folder: Path, first: str) -> dict[str, str]:
    """Return the scripts by the path of their main module: `first`, and each one imported with `import()`.

    Raises ValueError if a module cannot be joined.
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
    """Return a module and its static imports, each after its own imports. Raises ValueError for a cycle."""
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
    """Parse the names between braces (`a as b, c`) into pairs: a name before `as` and one after it."""
    names = [name.split(" as ") for name in listed.split(",") if name.strip()]
    return [(each[0].strip(), each[-1].strip()) for each in names]
