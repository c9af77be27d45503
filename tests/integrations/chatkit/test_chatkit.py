"""ChatKit's store: what goes in comes out equal, and reads well for a person."""

import asyncio
import json
from datetime import datetime

import pytest
from chatkit import types
from chatkit.store import NotFoundError
from chatkit.widgets import Card, Text

import threadkeep
from threadkeep.integrations.chatkit import ThreadkeepStore

AT = datetime(2026, 11, 30, 12, 0, 0, 123456)
FILE = types.FileAttachment(id="atc_1", name="17.pdf", mime_type="application/pdf", metadata={"bytes": 2**60})
IMAGE = types.ImageAttachment(id="atc_2", name="a.png", mime_type="image/png", preview_url="https://a.test/a.png")


def base(id):
    return {"id": id, "thread_id": "thr_1", "created_at": AT}


def said(id, text, **more):
    return types.UserMessageItem(
        **base(id), content=[{"type": "input_text", "text": text}], inference_options={}, **more
    )


def answered(id, text):
    return types.AssistantMessageItem(**base(id), content=[{"text": text}])


CALL = types.ClientToolCallItem(**base("tc_1"), call_id="call_1", name="find_invoice", arguments={"number": 2**70})
ODD = [
    said("msg_1", "What is\0 on it?", attachments=[FILE, IMAGE], quoted_text="17"),
    types.AssistantMessageItem(
        **base("msg_2"),
        content=[
            {
                "text": "I look.",
                "annotations": [{"source": {"type": "url", "url": "https://a.test", "title": "A"}, "index": 3}],
            },
            {"text": "Wait."},
        ],
    ),
    CALL,
    types.WidgetItem(**base("wid_1"), widget=Card(children=[Text(value="40 EUR")]), copy_text="40 EUR"),
    types.GeneratedImageItem(**base("img_1"), image={"id": "i", "url": "data:image/png;base64,iVBORw0="}),
    types.WorkflowItem(
        **base("wf_1"),
        workflow={"type": "reasoning", "tasks": [{"type": "thought", "content": "Hm."}], "summary": {"duration": 3}},
    ),
    types.TaskItem(**base("tsk_1"), task={"type": "web_search", "queries": ["a"]}),
    types.HiddenContextItem(**base("shcx_1"), content={"deep": [1.5, {"a": []}]}),
    types.SDKHiddenContextItem(**base("shcx_2"), content="Seen by the model."),
    types.EndOfTurnItem(**base("end_1")),
]


def metadata(id="thr_1", **more):
    return types.ThreadMetadata(id=id, created_at=AT, **more)


@pytest.fixture
def store(either):
    return ThreadkeepStore(either)


@pytest.fixture
async def thread(store):
    await store.save_thread(metadata(), None)
    return "thr_1"


async def add(store, *items, thread_id="thr_1", context=None):
    for item in items:
        await store.add_thread_item(thread_id, item, context)


async def items_of(store, thread_id="thr_1", after=None, limit=50, order="asc", context=None):
    return await store.load_thread_items(thread_id, after, limit, order, context)


async def texts(store, **asked):
    return [item.content[0].text for item in (await items_of(store, **asked)).data]


async def test_threads_and_items_come_out_as_they_went_in(store, service):
    given = metadata(
        title="Invoice 17",
        metadata={"odd": [2**60, "a\0", None]},
        allowed_image_domains=["a.test"],
        status=types.LockedStatus(reason="paid"),
    )
    await store.save_thread(given, None)
    await add(store, *ODD)

    other = ThreadkeepStore(service)
    page = await items_of(other)

    assert await other.load_thread("thr_1", None) == given
    assert (page.data, page.has_more) == (ODD, False)
    assert [type(each) for each in page.data] == [type(each) for each in ODD]
    assert await other.load_item("thr_1", "wid_1", None) == ODD[3]


async def test_a_person_reads_texts_and_calls(store, thread, service):
    await add(store, *ODD)
    kept = service.threads.find(thread)
    shown = list(service.threads.messages.list(kept.id))

    assert kept.metadata == {"source": "chatkit", "session": "thr_1"}
    assert [(each.role, each.text) for each in shown] == [
        ("user", "What is on it?"),
        ("assistant", "I look.\nWait."),
        ("assistant", ""),
        ("assistant", "40 EUR"),
        ("assistant", ""),
        ("assistant", ""),
        ("assistant", ""),
        ("system", ""),
        ("system", "Seen by the model."),
        ("assistant", ""),
    ]
    assert shown[2].tool_calls[0].function.name == "find_invoice"
    assert [each.external_id for each in shown] == [item.id for item in ODD]


async def test_what_is_saved_twice_is_replaced(store, thread, service):
    await add(store, CALL, CALL)
    done = CALL.model_copy(update={"status": "completed", "output": "40 EUR"})
    await store.save_item(thread, done, None)

    [shown] = service.threads.messages.list(service.threads.find(thread).id)
    assert (await items_of(store)).data == [done]
    assert shown.text == "40 EUR"


async def test_the_same_item_sent_several_times_at_once_is_one(store, thread):
    await asyncio.gather(*(store.add_thread_item(thread, said(f"msg_{n % 3}", str(n % 3)), None) for n in range(9)))

    assert sorted(await texts(store)) == ["0", "1", "2"]


async def test_the_same_thread_saved_several_times_at_once_is_one(store):
    await asyncio.gather(*(store.save_thread(metadata(metadata={"n": number}), None) for number in range(6)))

    assert [each.id for each in (await store.load_threads(10, None, "desc", None)).data] == ["thr_1"]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_of_items_go_on_by_position_or_id(store, thread, order):
    await add(store, *(said(f"msg_{number}", str(number)) for number in range(130)))
    expected = [str(number) for number in range(130)]
    expected = expected if order == "asc" else expected[::-1]

    first = await items_of(store, order=order, limit=3)
    rest = await items_of(store, order=order, limit=120, after=first.after)
    by_id = await items_of(store, order=order, limit=2, after=first.data[-1].id)
    last = await items_of(store, order=order, limit=120, after=rest.after)

    assert [each.content[0].text for each in [*first.data, *rest.data, *last.data]] == expected
    assert [each.content[0].text for each in by_id.data] == expected[3:5]
    assert (first.has_more, last.has_more, last.after) == (True, False, None)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_of_threads_go_on_by_position_or_id(store, service, order):
    for number in range(5):
        await store.save_thread(metadata(f"thr_{number}", title=f"{number}"), None)
    service.threads.archive(service.threads.find("thr_2").id)
    expected = ["0", "1", "3", "4"] if order == "asc" else ["4", "3", "1", "0"]

    first = await store.load_threads(2, None, order, None)
    rest = await store.load_threads(2, first.after, order, None)
    by_id = await store.load_threads(1, first.data[0].id, order, None)

    assert [each.title for each in [*first.data, *rest.data]] == expected
    assert [each.title for each in by_id.data] == expected[1:2]
    assert (first.has_more, rest.has_more) == (True, False)


async def test_what_is_not_there_is_said_as_chatkit_says_it(store, thread):
    for lookup in (
        store.load_thread("thr_none", None),
        store.load_item("thr_1", "msg_none", None),
        store.load_item("thr_none", "msg_1", None),
        store.load_thread_items("thr_none", None, 1, "asc", None),
        store.add_thread_item("thr_none", said("msg_1", "Hi."), None),
        store.load_attachment("atc_none", None),
    ):
        with pytest.raises(NotFoundError):
            await lookup
    await store.delete_thread("thr_none", None)
    await store.delete_thread_item("thr_1", "msg_none", None)
    await store.delete_attachment("atc_none", None)


async def test_items_and_threads_are_deleted(store, thread):
    await add(store, said("msg_1", "a"), said("msg_2", "b"))
    await store.delete_thread_item(thread, "msg_1", None)
    left = await texts(store)
    await store.delete_thread(thread, None)
    await store.save_thread(metadata(), None)

    assert left == ["b"]
    assert await texts(store) == []


async def test_attachments_come_before_their_thread_and_no_person_sees_their_thread(store, service):
    await store.save_attachment(FILE, None)
    await store.save_attachment(IMAGE, None)
    await store.save_attachment(FILE.model_copy(update={"thread_id": "thr_1"}), None)

    assert (await store.load_attachment("atc_1", None)).thread_id == "thr_1"
    assert await store.load_attachment("atc_2", None) == IMAGE
    assert (await store.load_threads(10, None, "desc", None)).data == []
    assert [thread.visible_in_ui for thread in service.threads.list()] == [False]
    await store.delete_attachment("atc_2", None)
    with pytest.raises(NotFoundError):
        await store.load_attachment("atc_2", None)


async def test_what_others_write_is_read(store, service):
    thread = service.threads.create(title="Begun on the page", messages=[{"role": "user", "content": "Hi."}])
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    service.threads.messages.create_many(
        thread.id,
        [
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "42", "tool_call_id": "call_1"},
            {"role": "assistant", "content": "It is 42."},
        ],
    )
    await add(store, said("msg_1", "Thanks."), thread_id=thread.id)

    [listed] = (await store.load_threads(10, None, "desc", None)).data
    found = (await items_of(store, thread.id)).data

    assert (listed.id, listed.title) == (thread.id, "Begun on the page")
    assert [each.type for each in found] == [
        "user_message",
        "hidden_context_item",
        "hidden_context_item",
        "assistant_message",
        "user_message",
    ]
    assert (found[2].content, found[3].content[0].text) == ("42", "It is 42.")
    edited = found[3].model_copy(update={"content": [types.AssistantMessageContent(text="It is 43.")]})
    await store.save_item(thread.id, edited, None)
    assert (await store.load_item(thread.id, edited.id, None)).content[0].text == "It is 43."
    assert service.threads.retrieve(thread.id).message_count == 5


async def test_a_native_edit_counts(store, thread, service):
    await add(store, said("msg_1", "a"))
    [message] = service.threads.messages.list(service.threads.find(thread).id)
    service.threads.messages.update(message.thread_id, message.id, content="b")

    assert await texts(store) == ["b"]


async def test_a_person_s_title_stays_until_chatkit_has_another(store, service):
    await store.save_thread(metadata(title="Old"), None)
    kept = service.threads.find("thr_1")
    service.threads.update(kept.id, title="Mine")
    seen = await store.load_thread("thr_1", None)
    await store.save_thread(metadata(title="Old", metadata={"a": 1}), None)
    between = await store.load_thread("thr_1", None)
    await store.save_thread(metadata(title="New" * 100), None)

    assert (seen.title, between.title, between.metadata) == ("Mine", "Mine", {"a": 1})
    assert (await store.load_thread("thr_1", None)).title == "New" * 100
    assert service.threads.retrieve(kept.id).title == ("New" * 100)[:200]


async def test_another_framework_s_record_of_a_thread_stays(store, service):
    payload = {"format": "pydantic-ai/1", "data": "{}"}
    thread = service.threads.create(payload=payload)
    await store.save_thread(metadata(thread.id, title="Named"), None)
    begun = service.threads.create()
    await store.save_thread(metadata(begun.id, metadata={"a": 1}), None)

    assert (await store.load_thread(begun.id, None)).metadata == {"a": 1}
    kept = service.threads.retrieve(thread.id)
    assert (kept.title, kept.payload.format) == ("Named", "pydantic-ai/1")


async def test_users_have_threads_of_their_own(service):
    store = ThreadkeepStore(service, user_of=lambda context: f"uid_{context}")
    for name in ("lea", "tom"):
        await store.save_thread(metadata(title=name), name)
        await add(store, said("msg_1", f"I am {name}."), context=name)
        await store.save_attachment(FILE.model_copy(update={"name": name}), name)

    assert await texts(store, context="lea") == ["I am lea."]
    assert [each.title for each in (await store.load_threads(10, None, "asc", "tom")).data] == ["tom"]
    assert (await store.load_attachment("atc_1", "tom")).name == "tom"


async def test_a_locked_thread_refuses_and_says_so(store, thread, service):
    await add(store, said("msg_1", "a"))
    kept = service.threads.find(thread)
    service.threads.lock(kept.id)

    with pytest.raises(threadkeep.ThreadLocked):
        await add(store, said("msg_2", "b"))
    assert (await store.load_thread(thread, None)).status == types.LockedStatus()
    service.threads.archive(kept.id)
    with pytest.raises(threadkeep.ThreadArchived):
        await store.save_item(thread, said("msg_1", "b"), None)
    assert (await store.load_thread(thread, None)).status == types.ClosedStatus()
    assert await texts(store) == ["a"]


# Each run is a process of its own: a turn that calls a tool of the page.
PROGRAM = """
import asyncio, json, sys, threadkeep
from datetime import datetime
from chatkit.server import ChatKitServer, NonStreamingResult
from chatkit.types import AssistantMessageItem, ClientToolCallItem, ThreadItemDoneEvent
from threadkeep.integrations.chatkit import ThreadkeepStore

class Server(ChatKitServer):
    async def respond(self, thread, item, context):
        def new(kind, type, **fields):
            return kind(id=self.store.generate_item_id(type, thread, context), thread_id=thread.id,
                        created_at=datetime.now(), **fields)
        if item is not None:
            thread.title = thread.title or "Sums"
            yield ThreadItemDoneEvent(item=new(
                ClientToolCallItem, "tool_call", call_id="call_1", name="add", arguments={"a": 1, "b": 2}))
        else:
            items = (await self.store.load_thread_items(thread.id, None, 20, "desc", context)).data
            text = f"It is {items[0].output}, after {len(items)} items."
            yield ThreadItemDoneEvent(item=new(AssistantMessageItem, "message", content=[{"text": text}]))

async def ask(server, type, **params):
    result = await server.process(json.dumps({"type": type, "params": params}), {})
    if isinstance(result, NonStreamingResult):
        return [json.loads(result.json)]
    return [json.loads(chunk.removeprefix(b"data: ")) async for chunk in result]

async def main(number):
    server = Server(ThreadkeepStore(threadkeep.Client()))
    content = {"content": [{"type": "input_text", "text": f"What is 1 + 2? {number}"}], "attachments": [],
               "inference_options": {}}
    if number == "1":
        events = await ask(server, "threads.create", input=content)
    else:
        [listed] = await ask(server, "threads.list")
        events = await ask(server, "threads.add_user_message", input=content, thread_id=listed["data"][0]["id"])
    [listed] = await ask(server, "threads.list")
    [thread] = listed["data"]
    events += await ask(server, "threads.add_client_tool_output", thread_id=thread["id"], result="3")
    [whole] = await ask(server, "threads.get_by_id", thread_id=thread["id"])
    print(json.dumps({
        "events": [each["type"] for each in events], "title": whole["title"], "error": [
            each for each in events if each["type"] == "error"],
        "texts": [each["content"][0]["text"] for each in whole["items"]["data"] if each["type"] == "assistant_message"],
    }))

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("way", ["http"], indirect=True)
async def test_a_server_goes_on_in_the_next_process(service, run):
    turns = [json.loads(run(PROGRAM, str(number))) for number in range(1, 4)]

    assert [turn["error"] for turn in turns] == [[], [], []]
    assert turns[2]["texts"] == [f"It is 3, after {count} items." for count in (2, 5, 8)]
    assert turns[2]["title"] == "Sums"
    [thread] = service.threads.list()
    renamed = service.threads.update(thread.id, title="Mine")
    shown = [(each.role, each.text) for each in service.threads.messages.list(thread.id)]

    assert (renamed.title, thread.message_count) == ("Mine", 9)
    assert shown[:3] == [
        ("user", "What is 1 + 2? 1"),
        ("assistant", "3"),
        ("assistant", "It is 3, after 2 items."),
    ]
    assert run("from threadkeep.__main__ import main; main()", "export").count('"format":"chatkit/1"') == 10
    service.threads.delete(thread.id)
    with pytest.raises(NotFoundError):
        await ThreadkeepStore(service).load_thread(thread.external_id, None)


def test_the_page_about_frameworks_shows_what_works(documented, run):
    program, printed = documented("ChatKit")

    assert run(program) == printed
