// The open thread: its messages, its older pages, and staying up to date.

import { get, reread } from "./api.js";
import { paced } from "./pace.js";
import { changed } from "./store.js";
import { refreshSoon, showInList } from "./thread-list.js";

const PAGE_SIZE = 30;
const PAGE_MAX = 100;
const POLL_MS = 2500;

/** `status`: none, new, loading, ready, missing, error. */
export const conversation = {
  status: "none",
  threadId: null,
  thread: null,
  tag: null,
  messages: [],
  olderCursor: null,
  isLoadingOlder: false,
  error: null,
  // The assistant of a thread that is yet to be created.
  assistantId: null,
  // The answer that is being written: see answering.js.
  answer: null,
  // What was sent and is not stored yet.
  pending: null,
  // An answer that ended without leaving a message.
  failure: null,
  // Why messages are incomplete, by response.
  reasons: new Map(),
};

// How a running answer is read, and left: answering.js says that, which needs this module.
let answers = { follow: async () => {}, leave: () => {} };

export function readAnswersWith(functions) {
  answers = functions;
}

// Moves with each change that was made here: what was read before it is out of date.
let changesCount = 0;

let generation = 0;
let timer = null;

export function closeThread() {
  reset({ status: "none" });
}

export function openNew() {
  reset({ status: "new" });
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
    const [{ data: thread, tag }, page] = await Promise.all([readThread(), readMessages()]);
    if (mine !== generation || before !== changesCount) return;
    Object.assign(conversation, { status: "ready", messages: page.messages, olderCursor: page.olderCursor, error: null });
    showThread(thread, tag);
    if (follows && thread.status === "streaming" && conversation.answer === null) answers.follow().catch(fail);
    await explain(mine);
  } catch (error) {
    if (mine === generation) fail(error);
  }
  changed();
}

export async function loadOlder() {
  // After an error it is tried again when the thread has been read again.
  if (conversation.isLoadingOlder || conversation.olderCursor === null || conversation.error) return;
  const mine = generation;
  conversation.isLoadingOlder = true;
  changed();
  try {
    const page = await get(messagesPath(), { order: "desc", limit: PAGE_SIZE, after: conversation.olderCursor });
    if (mine !== generation) return;
    conversation.messages = [...page.data.reverse(), ...conversation.messages];
    conversation.olderCursor = page.nextCursor;
    explain(mine).catch(() => {});
  } catch (error) {
    if (mine === generation) fail(error);
  }
  if (mine === generation) conversation.isLoadingOlder = false;
  changed();
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
  if (index >= 0) conversation.messages = conversation.messages.with(index, message);
  else conversation.messages = [...conversation.messages, message].sort((a, b) => a.seq - b.seq);
  changed();
}

export function dropMessage(id) {
  changesCount++;
  conversation.messages = conversation.messages.filter((message) => message.id !== id);
  changed();
}

export function newestMessage() {
  return conversation.messages.at(-1) ?? null;
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
  Object.assign(conversation, {
    status: "none", threadId: null, thread: null, tag: null, messages: [], olderCursor: null, isLoadingOlder: false,
    error: null, assistantId: null, answer: null, pending: null, failure: null, reasons: new Map(), ...fields,
  });
  changed();
}

function plan() {
  clearTimeout(timer);
  if (conversation.threadId !== null) timer = setTimeout(() => check().finally(plan), paced(POLL_MS));
}

async function check() {
  if (document.hidden || conversation.status !== "ready" || conversation.answer || conversation.pending) return;
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

/** The newest messages, back to the oldest that is on the screen. */
async function readMessages() {
  const oldest = conversation.messages[0]?.seq ?? null;
  const first = { order: "desc", limit: oldest === null ? PAGE_SIZE : PAGE_MAX };
  let page = await get(messagesPath(), first);
  const messages = page.data;
  while (oldest !== null && page.nextCursor !== null && messages.at(-1).seq > oldest) {
    page = await get(messagesPath(), { order: "desc", limit: PAGE_MAX, after: page.nextCursor });
    messages.push(...page.data);
  }
  return { messages: messages.reverse(), olderCursor: page.nextCursor };
}

function messagesPath() {
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
  const isAbout = response && response.messageId === null && response.createdAt >= newest.createdAt;
  conversation.failure = isAbout ? reasonOf(response) : null;
}

async function readReason(mine, responseId) {
  const response = await get(`v1/threads/${conversation.threadId}/responses/${responseId}`);
  if (mine === generation) conversation.reasons.set(responseId, reasonOf(response));
}

export function reasonOf(response) {
  if (response.status === "cancelled") return { code: "cancelled", message: "The answer was stopped." };
  return response.error ?? null;
}
