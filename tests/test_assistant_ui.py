"""assistant-ui's cloud: its threads, messages and titles are the threads, messages and titles of this service."""

import asyncio
import re
from datetime import datetime
from itertools import pairwise

import pytest

from support.answering import begin_talk, open_place, texts
from support.scripted_model import DONE, answer_of, finish, tool_call

V1 = "/assistant-ui/v1"
THREADS = f"{V1}/threads"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
AI_SDK, AUI = "ai-sdk/v6", "aui/v0"


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote, THREADKEEP_AUTO_NAME="false") as place:
        yield place


@pytest.fixture
def model(place):
    return place.fresh_model()


@pytest.fixture
async def ada(place):
    return await place.people.owner()


@pytest.fixture
async def thread(ada):
    return (await ada.request("POST", THREADS, {"last_message_at": "2026-01-01T00:00:00.000Z"})).thread_id


def path(thread, *more):
    return "/".join([THREADS, getattr(thread, "id", thread), *more])


async def post(who, thread, content, parent=None, format=AI_SDK, **more):
    body = {"parent_id": parent, "format": format, "content": content, **more}
    return await who.request("POST", path(thread, "messages"), body)


async def kept(who, thread, content, parent=None, format=AI_SDK, **more):
    answer = await post(who, thread, content, parent, format, **more)
    assert answer.status == 200, answer
    return answer.message_id


async def rows(who, thread, **params):
    answer = await who.request("GET", path(thread, "messages"), params=params)
    assert answer.status == 200, answer
    return answer.messages


def ui(role, text, **more):
    return {"role": role, "parts": [{"type": "text", "text": text}], **more}


def spoken(found):
    return ["".join(part.get("text", "") for part in each["content"]["parts"]) for each in found]


async def test_a_thread_is_made_read_changed_and_deleted(ada):
    made = await ada.request(
        "POST", THREADS, {"last_message_at": "x", "title": "Bill", "metadata": {"a": 1}, "unheard": {"of": 1}}
    )
    read = (await ada.request("GET", path(made.thread_id))).thread

    assert set(read) == {
        "id", "title", "last_message_at", "metadata", "external_id", "project_id", "created_at", "updated_at",
        "workspace_id", "is_archived",
    }  # fmt: skip
    assert (read["title"], read["metadata"], read["is_archived"]) == ("Bill", {"a": 1}, False)
    assert (read["project_id"], read["workspace_id"]) == (ada.organization, ada.user)
    assert read["last_message_at"] == read["created_at"]
    native = await ada.get(made.thread_id)
    for name in ("created_at", "updated_at", "last_message_at"):
        assert TIME.fullmatch(read[name])
    assert datetime.fromisoformat(read["created_at"]).timestamp() == native.createdAt

    changed = await ada.request("PUT", path(made.thread_id), {"title": "New", "metadata": {"b": [1, "x"]}})
    assert (changed.status, changed.text) == (204, "")
    native = await ada.get(made.thread_id)
    assert (native.title, native.metadata) == ("New", {"b": [1, "x"]})
    assert (await ada.request("PUT", path(made.thread_id), {"metadata": None})).status == 204
    assert (await ada.get(made.thread_id)).metadata == {}

    assert (await ada.request("DELETE", path(made.thread_id))).status == 204
    gone = await ada.request("GET", path(made.thread_id))
    assert (gone.status, gone.body["error"]) == (404, "thread_not_found")
    assert isinstance(gone.body["message"], str)
    assert (await ada.request("PUT", path(made.thread_id), {})).status == 404


async def test_an_organization_that_is_none_is_ignored_as_any_unknown_field(ada, thread):
    for value in ([[]], {"a": 1}, 5, True):
        answer = await ada.request("PUT", path(thread), {"organizationId": value, "title": "kept"})
        assert answer.status == 204


async def test_what_does_not_fit_is_refused_and_never_cut(ada, thread):
    for body in ({"title": "x" * 201}, {"metadata": {"a": {"nested": 1}}}, {"metadata": {"a": "x" * 513}}):
        assert (await ada.request("PUT", path(thread), body)).status == 400
        assert (await ada.request("POST", THREADS, body)).status == 400


async def test_an_id_of_ones_own_is_taken_once_or_found_again(ada, place):
    body = {"last_message_at": "x", "external_id": "main"}
    made = await ada.request("POST", THREADS, body)

    refused = await ada.request("POST", THREADS, body)
    found = await ada.request("POST", THREADS, {**body, "upsert": True})
    other = await ada.as_user("uid_other").request("POST", THREADS, {**body, "upsert": True})

    assert (refused.status, refused.code) == (409, "external_id_taken")
    assert found.thread_id == made.thread_id != other.thread_id
    both = await asyncio.gather(
        *(ada.request("POST", THREADS, {"external_id": "twice", "upsert": True}) for _ in range(4))
    )
    assert len({each.thread_id for each in both}) == 1


async def test_threads_are_listed_newest_first_and_archived_ones_apart(ada, place):
    made = [(await ada.request("POST", THREADS, {"title": str(n)})).thread_id for n in range(5)]
    await ada.as_user("uid_other").create_thread()
    for archived in (True, True):
        assert (await ada.request("PUT", path(made[0]), {"is_archived": archived})).status == 204

    async def listed(**params):
        return [each["id"] for each in (await ada.request("GET", THREADS, params=params)).threads]

    assert await listed() == made[:0:-1]
    assert await listed(is_archived="true") == made[:1]
    assert await listed(is_archived="false", limit=2, unheard="of") == [made[4], made[3]]
    assert await listed(limit=2, after=made[3]) == [made[2], made[1]]
    await ada.delete(made[3])
    assert await listed(limit=5, after=made[3]) == [made[2], made[1]]
    refused = await ada.request("PUT", path(made[0]), {"title": "no"})
    assert (refused.status, refused.code) == (409, "thread_archived")
    assert (await ada.request("PUT", path(made[0]), {"is_archived": False, "title": "yes"})).status == 204
    assert (await ada.get(made[0])).title == "yes"


async def test_a_page_is_as_long_as_was_asked_for_however_large_its_threads_are(ada):
    pairs = {f"{n:02}": "é" * 500 for n in range(16)}
    made = [(await ada.request("POST", THREADS, {"metadata": pairs})).thread_id for _ in range(100)]

    listed = (await ada.request("GET", THREADS, params={"limit": 100})).threads

    assert [each["id"] for each in listed] == made[::-1]


async def test_a_message_comes_back_word_for_word(ada, thread):
    content = {"role": "user", "parts": [{"type": "data-x", "data": {"n": 1.5, "é": None}}, *ui("user", "hi")["parts"]],
               "metadata": {"custom": {"a": [True]}}}  # fmt: skip
    first = await kept(ada, thread, content, external_id="mine")
    second = await kept(ada, thread, ui("assistant", "good day"), parent=first)
    third = await kept(ada, thread, {"anything": [1, {"x": 2}]}, parent=second, format="my/own-format")

    found = await rows(ada, thread)

    assert [each["id"] for each in found] == [third, second, first]
    assert [each["parent_id"] for each in found] == [second, first, None]
    assert [each["height"] for each in found] == [2, 1, 0]
    assert [each["format"] for each in found] == ["my/own-format", AI_SDK, AI_SDK]
    assert [each["external_id"] for each in found] == [None, None, "mine"]
    assert (found[2]["content"], found[0]["content"]) == (content, {"anything": [1, {"x": 2}]})
    assert all(TIME.fullmatch(each[name]) for each in found for name in ("created_at", "updated_at"))
    native = await ada.list_messages(thread)
    assert [each["role"] for each in native.data] == ["user", "assistant", "user"]
    assert texts(native.data) == ["hi", "good day", ""]


async def test_a_conversation_of_350_messages_is_loaded_whole(ada, thread):
    message = {"role": "user", "content": "x" * 20_000}
    for _ in range(3):
        await ada.request("POST", f"/v1/threads/{thread}/messages", {"messages": [message] * 100})
    parent = (await ada.list_messages(thread, order="desc", limit=1)).data[0]["id"]
    for n in range(50):
        parent = await kept(ada, thread, ui("user", f"m{n} " + "y" * 100_000), parent=parent)

    newest = await rows(ada, thread, format=AI_SDK)
    older = await rows(ada, thread, format=AI_SDK, after=newest[-1]["id"])

    assert (len(newest), len(older)) == (200, 150)
    found = [*newest, *older]
    assert [each["height"] for each in found] == list(range(349, -1, -1))
    assert all(each["parent_id"] == before["id"] for each, before in pairwise(found))
    assert [text.split()[0] for text in spoken(newest[:50])] == [f"m{n}" for n in range(49, -1, -1)]
    assert await rows(ada, thread, after=older[-1]["id"]) == []
    assert len(await rows(ada, thread, limit=3)) == 3


async def test_branches_are_kept(ada, thread):
    question = await kept(ada, thread, ui("user", "q"))
    one = await kept(ada, thread, ui("assistant", "a1"), parent=question)
    two = await kept(ada, thread, ui("assistant", "a2"), parent=question)
    other = await kept(ada, thread, ui("user", "other"), parent=None)
    on = await kept(ada, thread, ui("user", "on"), parent=one)

    found = {each["id"]: (each["parent_id"], each["height"]) for each in await rows(ada, thread)}

    assert found == {question: (None, 0), one: (question, 1), two: (question, 1), other: (None, 0), on: (one, 2)}
    missing = await post(ada, thread, ui("user", "x"), parent="msg_00000000000000000000000000")
    assert (missing.status, missing.code) == (404, "message_not_found")


async def test_a_copy_of_what_is_known_is_not_stored_again(ada, thread):
    first = await kept(ada, thread, ui("user", "hi"), external_id="c1")
    native = (await ada.post_message(thread, "native")).id

    again = await kept(ada, thread, ui("user", "hi"), external_id="c1")
    telemetry = await kept(ada, thread, {"role": "user", "content": []}, format=AUI, external_id=first)
    original = await kept(ada, thread, ui("user", "native", metadata={"m": 1}), external_id=native)
    late = await kept(ada, thread, {"role": "user", "content": []}, format=AUI, external_id=native)

    assert (again, telemetry, original, late) == (first, first, native, native)
    found = await rows(ada, thread)
    assert [each["content"] for each in found] == [ui("user", "native", metadata={"m": 1}), ui("user", "hi")]
    assert (await ada.get(thread)).messageCount == 2
    new = {"external_id": "both", "parent": native}
    several = await asyncio.gather(*(kept(ada, thread, ui("user", "new"), **new) for _ in range(4)))
    assert len(set(several)) == 1


async def test_a_copy_is_answered_where_nothing_may_be_written(ada, thread, model):
    first = await kept(ada, thread, ui("user", "hi"), external_id="c1")
    talk = await begin_talk(ada, model, thread=await ada.get(thread))
    running = (await rows(ada, thread))[0]

    assert spoken([running]) == ["Hel"]
    assert await kept(ada, thread, ui("user", "hi"), external_id="c1") == first
    assert await kept(ada, thread, ui("assistant", "Hel"), external_id=running["id"]) == running["id"]
    busy = await post(ada, thread, ui("user", "new"), external_id="c2")
    assert (busy.status, busy.code) == (409, "thread_busy")
    await talk.ended(ada)
    assert spoken(await rows(ada, thread)) == ["Hello", "hi", "hi"]

    for act, code in ((ada.lock, "thread_locked"), (ada.archive, "thread_archived")):
        await act(thread)
        revision = (await ada.get(thread)).etag
        assert await kept(ada, thread, ui("assistant", "x"), external_id=running["id"]) == running["id"]
        assert (await ada.get(thread)).etag == revision
        refused = await post(ada, thread, ui("user", "new"), external_id="c3")
        assert (refused.status, refused.code) == (409, code)


async def test_a_turn_with_tools_is_one_row_and_the_next_message_follows_its_end(ada, thread, model):
    model.script = [tool_call(0, "call_1", "look", '{"at":1}'), finish("tool_calls"), DONE]
    asked = await ada.respond(thread, input="use it", tools=[{"type": "function", "function": {"name": "look"}}])
    await ada.post_message(thread, '{"found":2}', role="tool", toolCallId="call_1")
    model.script = answer_of("done")
    last = await ada.respond(thread)

    answer, question = await rows(ada, thread, format=AI_SDK)

    assert answer["id"] == asked.messageId
    assert answer["parent_id"] == question["id"]
    [call] = [part for part in answer["content"]["parts"] if part["type"] == "tool-look"]
    assert (call["state"], call["input"], call["output"]) == ("output-available", {"at": 1}, {"found": 2})
    assert spoken([answer]) == ["done"]
    [shown, _] = await rows(ada, thread, format=AUI)
    assert shown["content"]["content"] == [
        {"type": "tool-call", "toolCallId": "call_1", "toolName": "look", "args": {"at": 1}, "result": {"found": 2}},
        {"type": "text", "text": "done"},
    ]
    assert (shown["format"], shown["content"]["status"]["type"]) == (AUI, "complete")

    copy = {**answer["content"], "metadata": {"kept": True}}
    assert await kept(ada, thread, copy, external_id=answer["id"]) == answer["id"]
    assert (await rows(ada, thread))[0]["content"] == {**copy, "role": "assistant"}
    following = await kept(ada, thread, ui("user", "thanks"), parent=answer["id"])
    native = await ada.list_messages(thread)
    assert native.data[-1]["parentId"] == last.messageId
    newest = (await rows(ada, thread))[0]
    assert (newest["id"], newest["parent_id"], newest["height"]) == (following, answer["id"], 2)
    deleted = await ada.request("DELETE", path(thread, "messages"), {"message_ids": [answer["id"]]})
    assert deleted.status == 204
    assert [each["parent_id"] for each in await rows(ada, thread)] == [question["id"], None]


async def test_messages_of_assistant_ui_itself_are_understood(ada, thread):
    content = {
        "role": "user",
        "content": [{"type": "text", "text": "see"}, {"type": "image", "image": "data:image/png;base64,AA=="}],
        "attachments": [{"id": "1", "content": [
            {"type": "file", "data": "AAAA", "mimeType": "text/plain", "filename": "a.txt"},
            {"type": "image", "image": "blob:nowhere"},
        ]}],
        "metadata": {"custom": {}},
    }  # fmt: skip
    first = await kept(ada, thread, content, format=AUI)
    call = {"type": "tool-call", "toolCallId": "c", "toolName": "look", "args": {"n": 1}, "result": 2}
    await kept(ada, thread, {"role": "assistant", "content": [call]}, parent=first, format=AUI)

    user, answer = (await ada.list_messages(thread)).data

    assert user["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image", "url": "data:image/png;base64,AA=="},
        {"type": "file", "url": "data:text/plain;base64,AAAA", "name": "a.txt", "mimeType": "text/plain"},
    ]
    assert answer["toolCalls"] == [
        {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"n":1}'}}
    ]
    found = await rows(ada, thread, format=AUI)
    assert [each["content"] for each in found] == [{"role": "assistant", "content": [call]}, content]
    assert [each["format"] for each in await rows(ada, thread, format=AI_SDK)] == [AI_SDK, AI_SDK]


async def test_content_changes_with_its_original(ada, thread):
    first = await kept(ada, thread, ui("user", "hi"), external_id="c1")

    for name in (first, "c1"):
        changed = await ada.request("PUT", path(thread, "messages", name), {"content": ui("user", f"by {name}")})
        assert changed.status == 204
        assert spoken(await rows(ada, thread)) == [f"by {name}"]
        assert texts((await ada.list_messages(thread)).data) == [f"by {name}"]
    missing = await ada.request("PUT", path(thread, "messages", "unheard"), {"content": {}})
    assert (missing.status, missing.code) == (404, "message_not_found")
    edited = await ada.update_message(thread, first, content="natively")
    assert edited.status == 200
    assert (await rows(ada, thread))[0]["content"] == ui("user", "natively")


async def test_an_original_that_is_too_large_is_refused_with_a_sentence(ada, thread):
    large = ui("user", "x", metadata="é" * 2_200_000)

    refused = await post(ada, thread, large)

    assert (refused.status, refused.code) == (413, "too_large")
    assert "bytes" in refused.message
    first = await kept(ada, thread, ui("user", "hi"))
    assert (await ada.request("PUT", path(thread, "messages", first), {"content": large})).status == 413


async def test_messages_are_deleted_all_or_none(ada, thread):
    first = await kept(ada, thread, ui("user", "1"))
    second = await kept(ada, thread, ui("user", "2"), parent=first, external_id="c2")

    missing = await ada.request("DELETE", path(thread, "messages"), {"message_ids": [first, "unheard"]})
    assert (missing.status, missing.code) == (404, "message_not_found")
    assert len(await rows(ada, thread)) == 2
    assert (await ada.request("DELETE", path(thread, "messages"), {"message_ids": [first]})).status == 204
    [left] = await rows(ada, thread)
    assert (left["id"], left["parent_id"], left["height"]) == (second, None, 0)
    assert (await ada.request("DELETE", path(thread, "messages"), {"message_ids": ["c2", "c2"]})).status == 204
    assert await rows(ada, thread) == []


async def test_feedback_is_kept_with_the_message(ada, thread):
    first = await kept(ada, thread, ui("assistant", "hi"))

    said = await ada.request("POST", path(thread, "messages", first, "feedback"), {"type": "negative", "comment": "no"})
    assert said.body == {"feedback_id": first, "type": "negative", "comment": "no"}
    assert (await ada.list_messages(thread)).data[0]["metadata"] == {"feedback": "negative", "feedbackComment": "no"}
    said = await ada.request("POST", path(thread, "messages", first, "feedback"), {"type": "positive"})
    assert said.body == {"feedback_id": first, "type": "positive"}
    assert (await ada.list_messages(thread)).data[0]["metadata"] == {"feedback": "positive"}
    refused = await ada.request(
        "POST", path(thread, "messages", first, "feedback"), {"type": "negative", "comment": "x" * 513}
    )
    assert (refused.status, refused.code) == (400, "metadata_value_too_long")


async def test_a_lease_of_the_clients_is_refused_and_without_it_the_message_is_stored(ada, thread):
    for more in ({"open_run": True}, {"lease_id": "l1"}):
        refused = await post(ada, thread, ui("user", "x"), **more)
        assert (refused.status, refused.code) == (400, "invalid_field")
        assert "lease" in refused.message
    await kept(ada, thread, ui("user", "x"), open_run=False)


def title_of(thread, text="How do I add VAT?", assistant_id="system/thread_title"):
    messages = [{"role": "user", "content": [{"type": "text", "text": text}, {"type": "tool-call", "args": {}}]}]
    return {"thread_id": thread, "assistant_id": assistant_id, "messages": messages, "response_format": "x"}


async def test_a_title_is_made_of_what_is_sent_and_saved(ada, thread, model):
    model.script = answer_of("Adding ", "VAT")

    answer = await ada.request("POST", f"{V1}/runs/stream", title_of(thread))

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "Adding VAT"
    assert (await ada.get(thread)).title == "Adding VAT"
    assert "How do I add VAT?" in str(model.calls[-1].body)


async def test_a_title_by_hand_stays_and_is_what_is_answered(ada, thread, model):
    await ada.update(thread, title="By hand")

    answer = await ada.request("POST", f"{V1}/runs/stream", title_of(thread))

    assert (answer.status, answer.text) == (200, "By hand")
    assert (await ada.get(thread)).title == "By hand"
    assert model.calls == []


async def test_a_title_is_made_while_an_answer_runs(ada, thread, model):
    talk = await begin_talk(ada, model, thread=await ada.get(thread))
    model.script = answer_of("Said ", "meanwhile")

    answer = await ada.request("POST", f"{V1}/runs/stream", title_of(thread))

    assert (answer.status, answer.text) == (200, "Said meanwhile")
    await talk.ended(ada)


async def test_titles_that_cannot_be_made_are_refused(ada, thread, model):
    for body, status, code in (
        (title_of(thread, assistant_id="asst_other"), 404, "assistant_not_found"),
        (title_of(thread, text=" "), 400, "thread_empty"),
        (title_of("thread_unheard"), 404, "thread_not_found"),
    ):
        refused = await ada.request("POST", f"{V1}/runs/stream", body)
        assert (refused.status, refused.code) == (status, code)
    await ada.lock(thread)
    refused = await ada.request("POST", f"{V1}/runs/stream", title_of(thread))
    assert (refused.status, refused.code) == (409, "thread_locked")


async def test_telemetry_is_answered_and_nothing_of_it_is_kept(ada, thread):
    before = (await ada.get(thread)).etag
    run = await ada.request("POST", f"{V1}/runs", {"thread_id": thread, "status": "completed", "output_text": "x"})
    events = await ada.request("POST", f"{V1}/events", {"events": [{"kind": "k", "thread_id": thread}]})

    assert run.status == 200
    assert 0 < len(run.run_id) <= 48
    assert (events.status, events.text) == (204, "")
    assert (await ada.get(thread)).etag == before
    assert (await ada.get(thread)).messageCount == 0


async def test_a_key_acts_for_a_user_in_that_users_workspace(ada, thread):
    for workspace in ("uid_lea", ada.organization):
        lea = ada.with_headers({"aui-user-id": "uid_lea", "aui-workspace-id": workspace})
        made = await lea.request("POST", THREADS, {})
        assert (await ada.get(made.thread_id)).userId == "uid_lea"
    assert (await lea.request("GET", path(thread))).status == 404
    two = await lea.with_headers({"x-user-id": "uid_other"}).request("GET", THREADS)
    assert (two.status, two.code) == (403, "insufficient_permissions")
    shared = ada.with_headers({"aui-user-id": "uid_lea", "aui-workspace-id": "team"})
    refused = await shared.request("GET", THREADS)
    assert (refused.status, refused.code) == (403, "insufficient_permissions")
    assert "not kept here" in refused.message


async def test_a_key_makes_a_token_for_a_user(ada, place):
    lea = ada.with_headers({"aui-user-id": "uid_lea"})

    made = await lea.request("POST", f"{V1}/auth/tokens")

    browser = ada.with_token(made.token)
    thread = await browser.request("POST", THREADS, {})
    assert (await ada.get(thread.thread_id)).userId == "uid_lea"
    for who in (ada, browser, (await place.people.member(ada)).with_headers({"aui-user-id": "uid_lea"})):
        refused = await who.request("POST", f"{V1}/auth/tokens")
        assert (refused.status, refused.code) == (403, "insufficient_permissions")


async def test_what_is_not_there_says_why(ada):
    nobody = ada.with_credential()
    for who, method, rest, status, word in (
        (nobody, "POST", "/auth/tokens/anonymous", 403, "anonymous"),
        (nobody, "POST", "/auth/tokens/refresh", 403, "anonymous"),
        (ada, "POST", "/threads/claim", 404, "claimed"),
        (ada, "GET", "/projects/p/threads", 404, "projects"),
        (ada, "POST", "/scores", 404, "scores"),
        (ada, "POST", "/files/attachments/generate-presigned-upload-url", 404, "files"),
        (ada, "GET", "/unheard", 404, "nothing"),
        (nobody, "GET", "/threads", 401, ""),
    ):
        refused = await who.request(method, f"{V1}{rest}", *([{}] if method == "POST" else []))
        assert refused.status == status, refused
        assert word in refused.message
