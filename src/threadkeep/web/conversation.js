// The open thread: its messages near the reader, and staying up to date.

import { get, reread } from "./api.js";
import { endOf, lineTo, readPlace, readShown } from "./line.js";
import { extended, readBeyond } from "./message-window.js";
import { noThread } from "./no-thread.js";
import { paced } from "./pace.js";
import { isFar, isHeld } from "./reader.js";
import { reasonOf } from "./reasons.js";
import { changed, drawn } from "./store.js";
import { refreshSoon, showInList } from "./thread-list.js";

// So many messages are made into rows within one frame, so that scrolling goes on smoothly.
const AT_ONCE = 4;
const POLL_MS = 2500;

/** The open thread. `status`: none, new, loading, ready, missing, error. */
export const conversation = noThread();

// How a running answer is read, and left: answering.js says that, which needs this module.
let answers = { follow: async () => {}, leave: () => {} };

export function readAnswersWith(functions) {
  answers = functions;
}

// Moves with each change that was made here: what was read before it is out of date.
let changesCount = 0;

let generation = 0;
// The newest wins.
let jumpsCount = 0;
let timer = null;

export function closeThread() {
  reset({ status: "none" });
}

export function openNew() {
  reset({ status: "new", model: null });
}

export async function openThread(threadId) {
  reset({ status: "loading", threadId });
  await loadThread();
  plan();
}

/** Try again after an error. */
export function reopen() {
  return openThread(conversation.threadId);
}

/** Turn the new conversation on the screen into the thread that its first message has created. */
export function becomeThread(threadId) {
  Object.assign(conversation, { status: "ready", threadId });
  plan();
  changed();
}

/** Read the thread and all its messages that are in sight, and follow what runs. */
export async function loadThread({ follows = true } = {}) {
  const mine = generation;
  const before = changesCount;
  try {
    const [{ data: thread, tag }, window] = await Promise.all([readThread(), readShown(messagesPath(), conversation)]);
    if (mine !== generation || before !== changesCount) return;
    Object.assign(conversation, { status: "ready", error: null, ...window });
    showThread(thread, tag);
    if (follows && thread.status === "streaming" && conversation.answer === null) answers.follow().catch(fail);
    await explain(mine);
  } catch (error) {
    if (mine === generation) fail(error);
  }
  changed();
}

/** Load what comes before (`order` is "desc") or after ("asc"); what is then far from the reader leaves. */
export async function loadMore(order) {
  const edgeOf = () => conversation.messages.at(order === "desc" ? 0 : -1)?.id;
  let edge = edgeOf();
  const hasMore = edge && (order === "desc" ? conversation.hasOlder : conversation.hasNewer);
  // After an error it is tried again when the thread has been read again.
  if (!hasMore || conversation.isLoadingMore || conversation.error) return;
  const mine = generation;
  conversation.isLoadingMore = true;
  try {
    const page = await readBeyond(lineTo(messagesPath(), conversation.end), order, edge);
    for (let at = 0; at < page.data.length && mine === generation && edge === edgeOf(); at += AT_ONCE) {
      const data = page.data.slice(at, at + AT_ONCE);
      extend(order, { data, hasMore: page.hasMore || at + AT_ONCE < page.data.length });
      edge = edgeOf();
      await drawn();
    }
  } catch (error) {
    if (mine === generation) fail(error);
  }
  if (mine === generation) conversation.isLoadingMore = false;
  changed();
}

function extend(order, page) {
  changesCount++;
  const { gone, ...window } = extended(conversation, order, page, isFar);
  conversation.held.push(...gone.filter(({ id }) => isHeld(id)));
  take(window);
  explain(generation).catch(() => {});
}

/** Show a part of the line. Its end is known anew where it is loaded. */
function take(window) {
  Object.assign(conversation, window);
  if (!conversation.hasNewer) conversation.end = endOf(conversation);
}

/**
 * Load another part of the thread: its "start", its "end", or what is around a message.
 *
 * `through` names another line, which is then the shown one. Returns whether that worked, or "gone" when there is no
 * such message any more.
 */
export async function jumpTo(place, through = conversation.end) {
  const mine = generation;
  const jump = ++jumpsCount;
  const isLate = () => mine !== generation || jump !== jumpsCount;
  try {
    let before, window;
    do {
      before = changesCount;
      window = await readPlace(lineTo(messagesPath(), through), place);
      if (isLate()) return false;
    } while (before !== changesCount);
    if (window === null) return "gone";
    changesCount++;
    if (through !== conversation.end) Object.assign(conversation, { isCurrent: false, failure: null, held: [] });
    take({ ...window, end: through, followsEnd: place === "end" });
    explain(mine).catch(() => {});
  } catch (error) {
    if (error.code === "message_not_found") return "gone";
    // It is on another line.
    if (error.code === "invalid_cursor" && through !== place) return jumpTo(place, place);
    if (!isLate()) fail(error);
    return false;
  }
  return true;
}

/** Forget messages that were kept outside of the window and are no longer in use. */
export function releaseHeld() {
  if (conversation.held.length > 0) conversation.held = conversation.held.filter(({ id }) => isHeld(id));
}

/** Show the thread as it is now, here and in the list. */
export function showThread(thread, tag = null) {
  if (conversation.threadId === thread.id) {
    conversation.thread = thread;
    // Without a tag, what has changed is asked for the next time.
    conversation.tag = tag;
  }
  showInList(thread);
}

export function putMessage(message) {
  changesCount++;
  const index = conversation.messages.findIndex((other) => other.id === message.id);
  // Only lists name siblings.
  const siblingIds = message.siblingIds ?? conversation.messages[index]?.siblingIds ?? [];
  const known = { ...message, siblingIds };
  if (index >= 0) conversation.messages = conversation.messages.with(index, known);
  // Where the end is not loaded, it is read when the reader goes there.
  else if (!conversation.hasNewer) conversation.messages = [...conversation.messages, known].sort((a, b) => a.seq - b.seq);
  changed();
}

export function dropMessage(id) {
  changesCount++;
  const message = conversation.messages.find((other) => other.id === id);
  if (conversation.end === id) conversation.end = message?.parentId ?? null;
  for (const part of ["messages", "held"]) conversation[part] = conversation[part].filter((message) => message.id !== id);
  changed();
}

/** The last message of the shown line; null also while its end is not loaded. */
export function newestMessage() {
  return conversation.hasNewer ? null : conversation.messages.at(-1) ?? null;
}

/** Look at once whether anything has changed. */
export function checkNow() {
  clearTimeout(timer);
  return check().finally(plan);
}

export function startChecking() {
  document.addEventListener("visibilitychange", () => document.hidden || checkNow());
  addEventListener("online", checkNow);
}

function reset(fields) {
  generation++;
  clearTimeout(timer);
  answers.leave();
  Object.assign(conversation, noThread(), fields);
  changed();
}

function plan() {
  clearTimeout(timer);
  if (conversation.threadId !== null) timer = setTimeout(() => check().finally(plan), paced(POLL_MS));
}

async function check() {
  if (document.hidden || conversation.answer || conversation.pending) return;
  if (conversation.status === "error") return loadThread();
  if (conversation.status !== "ready") return;
  const mine = generation;
  try {
    const { data: thread, tag } = await readThread();
    if (mine !== generation || conversation.answer || conversation.pending) return;
    conversation.error = null;
    const isSame = tag === conversation.tag && thread.status === conversation.thread?.status;
    showThread(thread, tag);
    if (isSame && thread.status !== "streaming") return changed();
    refreshSoon();
    await loadThread();
  } catch (error) {
    if (mine === generation) fail(error);
    changed();
  }
}

function fail(error) {
  if (error.name === "AbortError" || error.status === 401) return;
  conversation.error = error;
  if (error.code === "thread_not_found") conversation.status = "missing";
  // What is on the screen stays there; beside it stands that it is not up to date.
  else if (conversation.status === "loading") conversation.status = "error";
  changed();
}

function readThread() {
  return reread(`v1/threads/${conversation.threadId}`);
}

/** Where the open thread's messages are. */
export function messagesPath() {
  return `v1/threads/${conversation.threadId}/messages`;
}

/** Find out why answers were cut off, and why the newest message has none. */
async function explain(mine) {
  const cut = conversation.messages.filter(
    (message) => message.status === "incomplete" && message.responseId && !conversation.reasons.has(message.responseId),
  );
  await Promise.all(cut.map((message) => readReason(mine, message.responseId)));
  const newest = newestMessage();
  if (conversation.answer || newest === null || newest.role === "assistant") {
    if (newest?.role === "assistant") conversation.failure = null;
    return;
  }
  const { data } = await get(`v1/threads/${conversation.threadId}/responses`, { order: "desc", limit: 1 });
  if (mine !== generation) return;
  const [response] = data;
  const isHere = conversation.isCurrent || response?.inputMessageIds.includes(newest.id);
  const isAbout = response && isHere && response.messageId === null && response.createdAt >= newest.createdAt;
  conversation.failure = isAbout ? reasonOf(response) : null;
}

async function readReason(mine, responseId) {
  const response = await get(`v1/threads/${conversation.threadId}/responses/${responseId}`);
  if (mine === generation) conversation.reasons.set(responseId, reasonOf(response));
}
