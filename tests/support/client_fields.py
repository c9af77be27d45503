"""Makes the types of what a caller gives the client from the structs of the contract: a field needs no edit there.

PYTHONPATH=tests .venv/bin/python -m support.client_fields --write
"""

import argparse
import types
import typing
from collections.abc import Iterable
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from support.sync_client import ROOT, formatted
from threadkeep.contract import assistants, basis, bulk, messages, names, organizations, responses, threads, usage
from threadkeep.contract.messages import Part

FILE = ROOT / "src" / "threadkeep" / "client" / "given.py"
BODIES: dict[str, type[msgspec.Struct]] = {
    "FunctionCallFields": messages.FunctionCall,
    "ToolCallFields": messages.ToolCall,
    "PayloadFields": basis.Payload,
    "MessageFields": messages.MessageCreate,
    "MessageChanges": messages.MessageUpdate,
    "ThreadMoreChanges": messages.ThreadChange,
    "NameMessageFields": names.NameMessage,
    "ThreadFields": threads.ThreadCreate,
    "ThreadChanges": threads.ThreadUpdate,
    "ThreadCopyFields": threads.ThreadCopy,
    "BulkFilterFields": bulk.BulkFilter,
    "BulkFields": bulk.BulkCreate,
    "AssistantFields": assistants.AssistantCreate,
    "AssistantChanges": assistants.AssistantUpdate,
    "ResponseFields": responses.ResponseCreate,
    "OrganizationChanges": organizations.OrganizationUpdate,
    "KeyFields": organizations.KeyCreate,
    "TokenFields": organizations.TokenCreate,
}
QUERIES: dict[str, type[msgspec.Struct]] = {
    "ThreadFilters": threads.ThreadsQuery,
    "AssistantFilters": basis.ListQuery,
    "ModelFilters": basis.ListQuery,
    "ListFilters": basis.ListQuery,
    "MessageFilters": messages.MessagesQuery,
    "ContextFields": responses.ContextQuery,
    "UsageFilters": usage.UsageQuery,
}
# Of the way a call is made, or said by the method that is called.
NOT_GIVEN = {
    "ResponseFields": {"stream", "background"},
    "ThreadFilters": {"pairs"},
    "BulkFields": {"dry_run", "organization_id"},
}
# Filters that say their organization; the others are within a thread or an organization.
OF_AN_ORGANIZATION = ("ThreadFilters", "AssistantFilters", "ModelFilters")

HEAD = '''"""What a caller gives, with the fields of `threadkeep.objects`. One that is left out is not sent.

Made from ../contract by tests/support/client_fields.py: change it there.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Required, TypeAlias, TypedDict

from msgspec import UnsetType

from threadkeep.contract.assistants import NamedToolChoice, ResponseFormat, Tool
from threadkeep.contract.basis import Payload, Scalar
from threadkeep.contract.bulk import BulkFilter
from threadkeep.contract.messages import FunctionCall, MessageCreate, Part, ToolCall
from threadkeep.contract.threads import ThreadUpdate
from threadkeep.scope import Role

MetadataFields: TypeAlias = Mapping[str, Scalar | Sequence[Scalar] | None]
PartFields: TypeAlias = Part | Mapping[str, object]
'''


def generated() -> str:
    """Return the text of the module."""
    made = [typed_dict(name, kind, body_types(name, kind)) for name, kind in BODIES.items()]
    made += [typed_dict(name, kind, query_types(name, kind)) for name, kind in QUERIES.items()]
    return formatted("\n\n".join([HEAD, *made]))


def typed_dict(name: str, kind: type[msgspec.Struct], fields: Iterable[tuple[str, str]]) -> str:
    lines = [f"    {field}: {type}" for field, type in fields]
    return "\n".join([f"class {name}(TypedDict, total=False):", f'    """{kind.__doc__}"""', "", *lines]) + "\n"


def body_types(name: str, kind: type[msgspec.Struct]) -> Iterable[tuple[str, str]]:
    for field in msgspec.structs.fields(kind):
        if field.name in NOT_GIVEN.get(name, ()):
            continue
        found = alternatives(get_type_hints(kind, include_extras=True)[field.name])
        if not name.endswith("Changes"):
            # Of something new, what has no null is left out as None.
            found = ["None" if each == "UnsetType" else each for each in found]
        type = " | ".join(sorted(dict.fromkeys(found), key=lambda each: each in ("UnsetType", "None")))
        yield field.name, f"Required[{type}]" if field.required else type


def query_types(name: str, kind: type[msgspec.Struct]) -> Iterable[tuple[str, str]]:
    for field in msgspec.structs.fields(kind):
        if field.name in NOT_GIVEN.get(name, ()) or (
            field.name == "organization_id" and name not in OF_AN_ORGANIZATION
        ):
            continue
        found = alternatives(get_type_hints(kind, include_extras=True)[field.name])
        yield field.name, " | ".join([*(each for each in found if each != "None"), "None"])


def alternatives(kind: Any) -> list[str]:
    """Return the types that a value may have, as Python's own dictionaries and lists."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind == Part:
        return ["PartFields"]
    if origin is typing.Annotated:
        return alternatives(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return [each for argument in arguments for each in alternatives(argument)]
    if origin is typing.Literal:
        return [f"Literal[{', '.join(repr(each) for each in arguments)}]"]
    if origin is tuple:
        [each] = alternatives(arguments[0])
        return [each, f"Sequence[{each}]"]
    if origin is list:
        return [f"Sequence[{' | '.join(alternatives(arguments[0]))}]"]
    if origin is dict:
        return ["Mapping[str, object]" if Any in arguments else "MetadataFields"]
    if kind is type(None):
        return ["None"]
    if kind.__name__ == "Role":
        return ["Role", "Literal['member', 'admin', 'owner']"]
    if issubclass(kind, msgspec.Struct):
        fields = next((name for name, each in BODIES.items() if each is kind), "Mapping[str, object]")
        return [kind.__name__, fields]
    return [kind.__name__]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", required=True, help="write the file")
    parser.parse_args()
    FILE.write_text(generated())


if __name__ == "__main__":
    main()
