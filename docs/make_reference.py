"""Writes the pages in `docs/reference` from the OpenAPI document, which is made from the structs and the route table.

    .venv/bin/python docs/make_reference.py

The pages are kept in the repository, where they can be read; a test says when they are out of date.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from threadkeep.server.openapi import ALWAYS, WITH_BODY, WITH_KEY, WITH_WRITE, document
from threadkeep.server.routes import ENDPOINTS, LISTED

Json = dict[str, Any]

FOLDER = Path(__file__).parent / "reference"
MADE = "<!-- Made by docs/make_reference.py from the structs and the route table: change those, not this page. -->"
# What every call may be refused with is listed once, in the index.
COMMON = {*ALWAYS, *WITH_BODY, *WITH_KEY, *WITH_WRITE}
COMMON_PARAMETERS = {"organizationId", "X-User-Id", "If-Match", "Idempotency-Key"}
# The objects that a resource is about; all others are in types.md.
OBJECTS = {
    "Threads": ["Thread"],
    "Bulks": ["Bulk", "BulkPreview"],
    "Messages": ["Message"],
    "Responses": ["Response", "Context"],
    "Assistants": ["Assistant"],
    "Models": ["Model"],
    "Organizations": ["Organization"],
    "Members": ["Member"],
    "Keys": ["Key"],
    "Tokens": ["TokenCreated"],
    "Usage": ["Usage"],
    "Users": ["User"],
}
KINDS = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean", "null": "null"}
SIMPLE_LIST = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")
PATTERNS = {
    "^asst_": "`asst_` and 1 to 123 of `A-Z a-z 0-9 _ -`",
    "^thread_": "`thread_` and 1 to 121 of `A-Z a-z 0-9 _ -`",
    "^[A-Za-z0-9_.:@|-]{1,128}": "1 to 128 of `A-Z a-z 0-9 _ . : @ \\| -`",
    "^[a-z0-9_-]{1,32}": "1 to 32 of `a-z 0-9 _ -`",
    "^[A-Za-z0-9_-]{1,64}": "1 to 64 of `A-Z a-z 0-9 _ -`",
}


class Reference:
    """The pages, made of one OpenAPI document."""

    def __init__(self, openapi: Json, calls: Iterable[tuple[str, str]]) -> None:
        self.schemas: Json = openapi["components"]["schemas"]
        self.tags = {tag["name"]: tag["description"] for tag in openapi["tags"]}
        self.calls = [(method, path, openapi["paths"][path][method.lower()]) for method, path in calls]
        self.places = {name: f"{page_name(tag)}#{name.lower()}" for tag, names in OBJECTS.items() for name in names}
        for _, _, call in self.calls:
            for name in bodies_of(call):
                self.places.setdefault(name, f"{page_name(call['tags'][0])}#{anchor(call['summary'])}")
        self.types = [name for name in self.schemas if name not in self.places and not name.endswith("Page")]
        self.places |= {name: f"types.md#{name.lower()}" for name in self.types}

    def pages(self) -> dict[str, str]:
        """Return the text of every page by its file's name."""
        made = {"index.md": self.index(), "types.md": self.types_page()}
        made |= {page_name(tag): self.resource(tag) for tag in self.tags}
        return {name: re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n" for name, text in made.items()}

    def index(self) -> str:
        lines = [MADE, "# Reference", INTRODUCTION]
        for tag, text in self.tags.items():
            rows = [
                f"| [`{method} {path}`]({page_name(tag)}#{anchor(call['summary'])}) | {call['summary']} |"
                for method, path, call in self.calls
                if call["tags"] == [tag]
            ]
            lines += [f"## {tag}", text, "\n".join(["| call | what it does |", "|---|---|", *rows])]
        names = ["types", *(page_name(tag).removesuffix(".md") for tag in self.tags)]
        tree = "\n".join(["```{toctree}", ":hidden:", "", *names[1:], names[0], "```"])
        return "\n\n".join([*lines, tree])

    def types_page(self) -> str:
        lines = [MADE, "# Types", "What several calls take or answer with."]
        for name in self.types:
            lines += self.object(name)
        page = next(schema for name, schema in self.schemas.items() if name.endswith("Page"))
        return "\n\n".join([*lines, "## Page", "One page of a list.", self.fields(page)])

    def resource(self, tag: str) -> str:
        lines = [MADE, f"# {tag}", self.tags[tag]]
        for name in OBJECTS[tag]:
            lines += self.object(name)
        for method, path, call in self.calls:
            if call["tags"] == [tag]:
                lines += self.call(method, path, call)
        return "\n\n".join(line for line in lines if line)

    def object(self, name: str) -> list[str]:
        schema = self.schemas[name]
        lines = [f"## {name}", sentence(schema.get("description", ""))]
        if "properties" in schema:
            lines.append(self.fields(schema))
        elif "oneOf" in schema and "$ref" not in schema["oneOf"][0]:
            lines.append(self.events(schema))
        elif name != "Nothing":
            lines.append(f"{self.type(schema).capitalize()}.")
        return lines

    def call(self, method: str, path: str, call: Json) -> list[str]:
        lines = [f"## {call['summary']}", f"```text\n{method} {path}\n```", call["description"], self.takes(call)]
        parameters = [each for each in call["parameters"] if each["name"] not in COMMON_PARAMETERS]
        if parameters:
            rows = [self.parameter(each) for each in parameters]
            lines.append("\n".join(["| parameter | type | meaning |", "|---|---|---|", *rows]))
        for name in bodies_of(call):
            lines += self.body(name)
        return [*lines, *self.answers(call)]

    def takes(self, call: Json) -> str:
        names = [f"`{each['name']}`" for each in call["parameters"] if each["name"] in COMMON_PARAMETERS]
        return f"Takes {', '.join(names)} as [every such call](index.md#what-all-calls-take) does."

    def parameter(self, each: Json) -> str:
        name = "metadata.<key>" if each["name"] == "metadata" else each["name"]
        place = "" if each["in"] == "query" else f" ({each['in']})"
        kind = "string" if each["name"] == "metadata" else self.type(each["schema"])
        return row(f"`{name}`{place}", kind + default_of(each["schema"]), each["description"])

    def body(self, name: str) -> list[str]:
        schema = self.schemas[name]
        if not schema.get("properties"):
            return []
        return [f"**Body.** {sentence(schema['description'])}", self.fields(schema), block(schema["examples"][0])]

    def answers(self, call: Json) -> list[str]:
        good = {status: each for status, each in call["responses"].items() if status < "400"}
        lines = [f"**Answer.** {'; '.join(self.answer(status, each) for status, each in good.items())}."]
        first = next(iter(good.values())).get("content", {}).get("application/json", {}).get("schema", {})
        for name in names_in(first)[:1]:
            lines.append(block(self.schemas[name]["examples"][0]))
        codes = [
            f"[`{code}`](../errors.md)"
            for status, each in call["responses"].items()
            if status >= "400"
            for code in re.findall(r"`(\w+)`", each["description"])
            if code not in COMMON
        ]
        return [*lines, f"**Errors** besides the [common ones](index.md#errors): {', '.join(codes)}." if codes else ""]

    def answer(self, status: str, each: Json) -> str:
        content = each.get("content", {})
        names = names_in(content.get("application/json", {}).get("schema", {}))
        kinds = [
            f"a [page](types.md#page) of {self.link(name.removesuffix('Page'))}"
            if name.endswith("Page")
            else self.link(name)
            for name in names
        ]
        for name in names_in(content.get("text/event-stream", {}).get("schema", {})):
            kinds.append(f"a [stream](../api.md#streams) of {self.link(name)}")
        return f"{status}: {' or '.join(kinds) or each['description'][0].lower() + each['description'][1:].rstrip('.')}"

    def fields(self, schema: Json) -> str:
        required = set(schema.get("required", ())) if schema.get("additionalProperties") is False else set()
        rows = [
            row(
                f"`{name}`" + (" (required)" if name in required else ""),
                self.type(its) + default_of(its),
                its.get("description", ""),
            )
            for name, its in schema["properties"].items()
        ]
        return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows])

    def events(self, schema: Json) -> str:
        rows = [
            row(
                f"`{each['properties']['event']['const']}`",
                self.type(each["properties"]["data"]["contentSchema"]),
                each["description"],
            )
            for each in schema["oneOf"]
        ]
        return "\n".join(["| event | data | meaning |", "|---|---|---|", *rows])

    def type(self, schema: Json) -> str:
        """Return a schema's type with its limits, in words."""
        if "$ref" in schema:
            return self.link(schema["$ref"].rpartition("/")[2])
        if "enum" in schema:
            return ", ".join(f"`{json.dumps(each) if isinstance(each, bool) else each}`" for each in schema["enum"])
        alternatives = schema.get("anyOf") or schema.get("oneOf")
        if alternatives:
            return " or ".join(dict.fromkeys(self.type(each) for each in alternatives))
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return " or ".join(self.simple_type(kind, schema) for kind in kinds)

    def simple_type(self, kind: str, schema: Json) -> str:
        if kind == "array":
            how_many = within(schema.get("minItems"), schema.get("maxItems"), "")
            return f"list{how_many} of {self.type(schema['items'])}"
        if kind == "object":
            is_metadata = isinstance(schema.get("additionalProperties"), dict)
            return "[metadata](../concepts.md#metadata)" if is_metadata else "object"
        if schema.get("format") == "date":
            return "`YYYY-MM-DD`"
        if "pattern" in schema:
            return next((text for start, text in PATTERNS.items() if schema["pattern"].startswith(start)), kind)
        if kind == "string":
            return kind + within(schema.get("minLength"), schema.get("maxLength"), "characters")
        return KINDS[kind] + within(schema.get("minimum"), schema.get("maximum"), "")

    def link(self, name: str) -> str:
        return f"[{name}]({self.places[name]})"


INTRODUCTION = """Every call with its parameters, fields, limits and defaults, an example answer and the errors that are its own. The same is in the OpenAPI document, `GET /openapi.json`, and on the page `/docs` of every server, where calls can be tried. [API](../api.md) is the overview: credentials, lists, streams, limits.

## What all calls take

| name | where | meaning |
|---|---|---|
| `X-API-Key` or `Authorization: Bearer` | header | [who is calling](../concepts.md#who-sees-what) |
| `organizationId` | query | which organization, for callers with several |
| `X-User-Id` | header | act as a member with this user id; keys of admins and owners only: [tenants](../tenants.md) |
| `X-Request-Id` | header | an id of your own for the request; it comes back |
| `Idempotency-Key` | header of every POST | do the work once: [retries](../concepts.md#idempotency) |
| `If-Match` | header where it is named | only if the object still has this `ETag`: [revisions](../concepts.md#revisions) |

In tables a type is followed by its limits and, after “default”, by what is taken when it is left out. Fields of an object are always present, unless their meaning says otherwise; of a body, only those marked as required must be sent.

## Errors

All have [one shape](../errors.md). Every call may be refused with these:

{errors}"""  # noqa: E501 - a page's text, a paragraph a line.
INTRODUCTION = INTRODUCTION.replace(
    "{errors}",
    "\n".join(
        [
            f"- always: {', '.join(f'`{code}`' for code in ALWAYS)};",
            f"- with a body: {', '.join(f'`{code}`' for code in WITH_BODY)};",
            f"- with an `Idempotency-Key`: {', '.join(f'`{code}`' for code in WITH_KEY)};",
            f"- when it writes: {', '.join(f'`{code}`' for code in WITH_WRITE)}.",
        ]
    ),
)


def page_name(tag: str) -> str:
    return f"{tag.lower()}.md"


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def bodies_of(call: Json) -> list[str]:
    schema = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return names_in(schema)


def names_in(schema: Json) -> list[str]:
    return [each["$ref"].rpartition("/")[2] for each in schema.get("oneOf", [schema]) if "$ref" in each]


def within(low: float | None, high: float | None, unit: str) -> str:
    """Return limits in words: " (1 to 4 characters)"."""
    if high is None:
        return f" (at least {low} {unit})".replace(" )", ")").replace("1 characters", "1 character") if low else ""
    words = f"at most {high}" if low is None else f"{low} to {high}"
    return f" ({words} {unit})".replace(" )", ")")


def default_of(schema: Json) -> str:
    if schema.get("default") in (None, [], ""):
        return ""
    return f", default `{json.dumps(schema['default']).strip(chr(34))}`"


def sentence(text: str) -> str:
    return " ".join(text.split())


def row(*cells: str) -> str:
    return f"| {' | '.join(sentence(cell) for cell in cells)} |"


def block(example: Json) -> str:
    """Return an example as a block of JSON; a list of simple values stays on one line."""
    text = json.dumps(example, indent=2, ensure_ascii=False)
    return f"```json\n{SIMPLE_LIST.sub(lambda found: '[' + ' '.join(found[1].split()) + ']', text)}\n```"


def pages() -> dict[str, str]:
    """Return every page of the reference by its file's name."""
    openapi = json.loads(document(tuple(ENDPOINTS)))
    return Reference(openapi, [(each.method, each.path) for each in LISTED]).pages()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
