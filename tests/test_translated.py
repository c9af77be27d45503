"""A stream in another tongue has each frame once, in order, and ends, or is cut off, as the native one is."""

import asyncio

import pytest

from support.other_door import always, other_door
from test_response_chains import RUN
from threadkeep.operations.paging import Window
from threadkeep.operations.responses import responses
from threadkeep.runtime.following import CutOff
from threadkeep.runtime.frames import PING, Streamed, frame
from threadkeep.runtime.translated import Translated


@pytest.fixture(scope="module")
async def door(new_database):
    async with other_door(await new_database()) as door:
        yield door


@pytest.fixture
def ada(door):
    door.model.reset()
    return door.as_user("uid_ada")


class Given(Streamed):
    """A stream that emits these parts, and is then cut off or not."""

    was_replayed = True

    def __init__(self, *parts, is_cut=False):
        self.parts = parts
        self.is_cut = is_cut
        self.has_left = False

    async def run(self, emit, allowed):
        for part in self.parts:
            await emit(part)
        if self.is_cut:
            raise CutOff

    def leave(self):
        self.has_left = True


def tongue(response_id, n, type, data):
    return f"{response_id} {n} {type} {data.decode()}\n".encode()


async def emitted(streamed):
    parts = []

    async def emit(data):
        parts.append(data)

    await streamed.run(emit, always)
    return parts


FRAMES = [frame("resp_1", n, "response.output_text.delta", f'{{"n":{n}}}') for n in (1, 2, 3)]
LINES = [f'resp_1 {n} response.output_text.delta {{"n":{n}}}\n'.encode() for n in (1, 2, 3)]


class GivenAtOnce(Given):
    """A stream that writes its first part at once, and again through `run` if the client was too slow for it."""

    def take_write(self, write):
        self.write = write

    async def run(self, emit, allowed):
        first, *rest = self.parts
        self.parts = rest if self.write(first) else [first, *rest]
        await super().run(emit, allowed)


@pytest.mark.parametrize("is_slow", [False, True])
async def test_a_frame_that_is_written_at_once_or_refused_is_there_once(is_slow):
    written = []
    streamed = Translated(GivenAtOnce(*FRAMES), tongue)

    def write(data):
        if not is_slow:
            written.append(data)
        return not is_slow

    streamed.take_write(write)

    emitted_later = await emitted(streamed)
    assert [*written, *emitted_later] == LINES


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
async def test_frames_are_translated_however_they_are_cut(size):
    whole = b"".join(FRAMES)
    parts = [whole[start : start + size] for start in range(0, len(whole), size)]

    assert b"".join(await emitted(Translated(Given(*parts), tongue))) == b"".join(LINES)


async def test_comments_pass_as_they_are_and_nothing_is_sent_for_nothing():
    given = Given(PING, FRAMES[0], FRAMES[1] + PING)

    parts = await emitted(Translated(given, lambda response_id, n, type, data: b"" if n == 1 else b"two\n"))

    assert parts == [PING, b"two\n" + PING]


async def test_what_is_left_is_sent_at_the_end_and_not_when_the_stream_is_cut_off():
    unended = FRAMES[1].removesuffix(b"\n\n")

    whole = await emitted(Translated(Given(FRAMES[0], unended), tongue, lambda: b"end"))
    with pytest.raises(CutOff):
        await emitted(Translated(Given(FRAMES[0], unended, is_cut=True), tongue, lambda: b"end"))

    assert whole == [LINES[0], LINES[1] + b"end"]


async def test_it_is_the_same_stream_to_the_server():
    given = Given()
    translated = Translated(given, tongue)
    translated.request_id = "req-1"
    translated.leave()
    translated.take_write(lambda data: pytest.fail("nothing may be written past the translation"))
    await emitted(translated)

    assert (translated.was_replayed, given.has_left, given.request_id) == (True, True, "req-1")


async def test_a_response_is_translated_while_it_is_written_and_again_from_its_first_event(door, ada):
    door.model.answer(*"Hello world")
    thread_id = await ada.thread("hello")
    live = Translated(await ada.stream(thread_id, None, RUN), tongue)

    lines = b"".join(await emitted(live)).replace(PING, b"").splitlines()
    response_id = lines[0].split(b" ")[0].decode()
    answering = door.runtime.answering
    follower = await answering.follow(ada.db, None, thread_id, response_id, None, None)
    again = b"".join(await emitted(Translated(follower, tongue))).replace(PING, b"").splitlines()

    assert [int(line.split(b" ")[1]) for line in again] == list(range(1, len(again) + 1))
    assert again[0].split(b" ")[2] == b"response.created"
    assert again[-1].split(b" ")[2] == b"response.completed"
    assert lines == again
    assert (await ada.read(responses.read, thread_id, response_id)).output_text == "Hello world"


async def test_a_reader_who_leaves_cancels_nothing(door, ada):
    door.model.script = ["Hello", 0.3, " world", *door.model.script[-3:]]
    thread_id = await ada.thread("hello")
    translated = Translated(await ada.stream(thread_id, None, RUN), tongue)
    reading = asyncio.ensure_future(emitted(translated))
    await asyncio.sleep(0.1)

    translated.leave()
    with pytest.raises(CutOff):
        await reading

    page = await ada.read(responses.list_responses, thread_id, Window(20, True, None, None))
    assert page.data[0].status == "in_progress"
