// Which of a thread's messages are loaded: those near the reader. The rest is read when it is needed.
//
// A window is `{messages, hasOlder, hasNewer}`: a gapless part of a line, and whether there is more on either side. It is
// read from a source, `{path, line}`: see line.js.

import { get } from "./api.js";

const START_COUNT = 30;
const MORE_COUNT = 20;
const AROUND_COUNT = 15;
const PAGE_MAX = 100;
// Beyond this many, those that are far from the reader leave.
const KEPT_MAX = 40;

export async function readNewest(source, count = START_COUNT) {
  const limit = Math.min(Math.max(count, START_COUNT), KEPT_MAX);
  const page = await readPage(source, { order: "desc", limit });
  return { messages: page.data.reverse(), hasOlder: page.hasMore, hasNewer: false };
}

export async function readFirst(source) {
  const page = await readPage(source, { order: "asc", limit: START_COUNT });
  return { messages: page.data, hasOlder: false, hasNewer: page.hasMore };
}

/** Read what is around a message; without it, it is not there any more. */
export async function readAround(source, id) {
  const older = await readBeyond(source, "desc", id, AROUND_COUNT);
  // With the message itself, whose siblings a list alone names.
  const edge = older.firstId ?? undefined;
  const newer = await readPage(source, { order: "asc", limit: AROUND_COUNT + 1, after: edge });
  const messages = [...older.data.reverse(), ...newer.data];
  return { messages, hasOlder: older.hasMore, hasNewer: newer.hasMore };
}

export function readBeyond(source, order, id, limit = MORE_COUNT) {
  return readPage(source, { order, limit, after: id });
}

/** Read a window of two messages or more anew, from its oldest on, or what stands in its place. */
export async function readAgain(source, { messages }) {
  const count = Math.max(messages.length, KEPT_MAX);
  const [oldest, second] = messages;
  const before = await readPage(source, { order: "asc", limit: 1, before: second.id });
  const read = before.data;
  let last = oldest.id;
  let page;
  do {
    page = await readBeyond(source, "asc", last, PAGE_MAX);
    read.push(...page.data);
    last = page.lastId;
  } while (page.hasMore && read.length < count);
  const hasNewer = page.hasMore || read.length > count;
  return { messages: read.slice(0, count), hasOlder: before.hasMore, hasNewer };
}

/** Add a page at one end; what `isFar` at the other end goes, and is returned as `gone`. */
export function extended(window, order, page, isFar) {
  const isUp = order === "desc";
  const messages = isUp ? [...page.data.reverse(), ...window.messages] : [...window.messages, ...page.data];
  const gone = [];
  while (messages.length > KEPT_MAX && isFar(messages.at(isUp ? -1 : 0).id)) {
    gone.push(isUp ? messages.pop() : messages.shift());
  }
  const isCut = gone.length > 0;
  const ends = isUp
    ? { hasOlder: page.hasMore, hasNewer: window.hasNewer || isCut }
    : { hasOlder: window.hasOlder || isCut, hasNewer: page.hasMore };
  return { messages, ...ends, gone };
}

function readPage({ path, line }, query) {
  return get(path, { ...line, include: "siblings", ...query });
}
