// What can be done to a thread, with its messages to the person: done, undone, refused.

import { ApiError, call, currentCaller, get, newKey, openStream, post } from "./api.js";
import { closeThread, conversation, showThread } from "./conversation.js";
import { go } from "./route.js";
import { session } from "./session.js";
import { events } from "./sse.js";
import { changed } from "./store.js";
import { list, refreshSoon, showInList } from "./thread-list.js";
import { tellOtherTabs } from "./tabs.js";
import { errorToast, toast } from "./toasts.js";

const UNDO_MS = 6000;
// A list that was asked for before the deletion may come after it.
const LATE_LIST_MS = 10_000;

/** The name that is being made, by thread: what has come of it so far. */
export const namesInMaking = new Map();

/** Change fields of a thread; returns whether it worked, and says so if not. */
export async function update(threadId, fields) {
  const as = currentCaller();
  return attempt(async () => {
    const { data, tag } = await call("PATCH", path(threadId), { body: fields, as });
    show(data, tag, as);
  });
}

export async function lock(threadId) {
  const as = currentCaller();
  const undo = { label: "Undo", run: () => move(threadId, "unlock", as) };
  if (await move(threadId, "lock")) toast({ text: "Locked.", action: undo, topic: stateOf(threadId) });
}

export async function unlock(threadId) {
  if (await move(threadId, "unlock")) toast({ text: "Unlocked.", topic: stateOf(threadId) });
}

export async function archive(threadId) {
  const as = currentCaller();
  const undo = { label: "Undo", run: () => move(threadId, "unarchive", as) };
  if (await move(threadId, "archive")) toast({ text: "Archived.", action: undo, topic: stateOf(threadId) });
}

export async function unarchive(threadId) {
  if (await move(threadId, "unarchive")) toast({ text: "Back from the archive.", topic: stateOf(threadId) });
}

/** Take away the time at which a thread deletes itself. */
export async function keep(threadId) {
  if (await update(threadId, { expiresAt: null })) toast({ text: "It is kept.", topic: stateOf(threadId) });
}

/** What a note is about, so that the next one takes its place: of two states of one thread only the newer is true. */
function stateOf(threadId) {
  return `state of ${threadId}`;
}

/** Delete after a while in which it can be undone: the API's own deletion is final. */
export function remove(threadId) {
  // Ids are the callers' own: another organization may have the same one.
  const as = currentCaller();
  list.goingIds.add(threadId);
  const stay = () => {
    if (as === currentCaller()) list.goingIds.delete(threadId);
    changed();
  };
  const wasOpen = conversation.threadId === threadId;
  if (wasOpen) {
    closeThread();
    go(session.organization.id);
  }
  const undo = () => {
    stay();
    if (wasOpen) go(session.organization.id, threadId);
  };
  toast({
    text: "Thread deleted.",
    topic: stateOf(threadId),
    action: { label: "Undo", run: undo },
    shownMs: UNDO_MS,
    expired: async () => ((await removeNow(threadId, as)) ? setTimeout(stay, LATE_LIST_MS) : stay()),
  });
  changed();
}

/** Let the server make a name, and show how it comes. */
export async function makeName(threadId) {
  if (namesInMaking.has(threadId)) return;
  namesInMaking.set(threadId, "");
  changed();
  await attempt(() => readName(threadId));
  namesInMaking.delete(threadId);
  changed();
}

async function readName(threadId) {
  const as = currentCaller();
  const options = { query: { stream: true }, key: newKey(), as };
  const answer = await openStream("POST", `${path(threadId)}/generateName`, options);
  for await (const { name, data } of events(answer)) {
    if (name === "name.delta") namesInMaking.set(threadId, namesInMaking.get(threadId) + data.delta);
    if (name === "name.failed") throw new ApiError(200, data.error, null);
    if (name === "name.completed") toast({ text: data.message });
    changed();
  }
  show(await get(path(threadId), {}, as), null, as);
}

function removeNow(threadId, as) {
  return attempt(async () => {
    // Also when the page is going away: `keepalive` lets the request outlive it.
    await call("DELETE", path(threadId), { keepalive: true, as });
    if (as !== currentCaller()) return;
    list.threads = list.threads.filter((thread) => thread.id !== threadId);
    tellOtherTabs(threadId);
  });
}

function move(threadId, verb, as = currentCaller()) {
  return attempt(async () => show(await post(`${path(threadId)}/${verb}`, undefined, newKey(), as), null, as));
}

function show(thread, tag, as) {
  if (as !== currentCaller()) return;
  showThread(thread, tag);
  showInList(thread);
  tellOtherTabs(thread.id);
  refreshSoon();
}

async function attempt(work) {
  try {
    await work();
    return true;
  } catch (error) {
    if (error.status !== 401) errorToast(error);
    return false;
  } finally {
    changed();
  }
}

function path(threadId) {
  return `v1/threads/${threadId}`;
}
