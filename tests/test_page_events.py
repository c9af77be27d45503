"""The page and the contract say the same of streams: which events there are, and what is in them."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from threadkeep.contract.events import KINDS, NameEvent, ResponseCreated, ResponseReset, ToolCallDelta
from threadkeep.contract.responses import Response

WEB = Path(__file__).parent.parent / "src" / "threadkeep" / "web"
MODULES = {path.name: path.read_text() for path in WEB.glob("*.js")}
STRING = re.compile(r'"[^"\n]*"|`[^`]*`')
EVENT = re.compile(r'"((?:response|name)\.[a-z_.]+)"')


def on_the_wire(struct):
    return {each.encode_name for each in msgspec.structs.fields(struct)}


def test_the_page_handles_only_events_that_there_are():
    """It may pass over one: a new event breaks nobody."""
    handled = {name for text in MODULES.values() for name in EVENT.findall(text)}

    assert len(handled) > 10
    assert handled <= {each.type for each in (*KINDS, *get_args(NameEvent))}


@pytest.mark.parametrize(
    ("handler", "event"), [("begun", ResponseCreated), ("startOver", ResponseReset), ("addToolCall", ToolCallDelta)]
)
def test_what_the_page_takes_out_of_an_event_is_in_it(handler, event):
    [taken] = re.findall(rf"^function {handler}\(\w+, \{{ ([^}}]+) \}}\)", MODULES["answering.js"], re.M)

    assert {each.partition(":")[0] for each in taken.split(", ")} <= on_the_wire(event)


@pytest.mark.parametrize(("module", "events"), [("answering.js", KINDS), ("thread-actions.js", get_args(NameEvent))])
def test_what_the_page_reads_of_the_data_of_an_event_is_in_one(module, events):
    read = set(re.findall(r"\bdata\.(\w+)", STRING.sub('""', MODULES[module])))

    assert read
    assert read <= {name for each in events for name in on_the_wire(each)}


def test_what_the_page_reads_of_a_response_is_in_it():
    read = set(re.findall(r"\bresponse\.(\w+)", STRING.sub('""', MODULES["answering.js"])))

    assert read
    assert read <= on_the_wire(Response)
