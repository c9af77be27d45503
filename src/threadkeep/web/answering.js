// Answers: asking for one, following one that runs, stopping one.
//
// The generation belongs to the server. A reader that breaks off comes back with the id of the last event it has; a
// request whose answer never came is sent again with the same key and finds the response that it began.

import { ApiError, newKey, openStream, post, reread } from "./api.js";
import { announce } from "./announcer.js";
import {
  becomeThread, checkNow, conversation, dropMessage, loadThread, newestMessage, putMessage, readAnswersWith, showThread,
} from "./conversation.js";
import { beginSending } from "./drafts.js";
import { goOnWith, isOnLine, whereToGoOn } from "./going-on.js";
import { chosenModel } from "./models.js";
import { reasonOf } from "./reasons.js";
import { rename } from "./route.js";
import { session } from "./session.js";
import { events } from "./sse.js";
import { changed, drawNow } from "./store.js";
import { refreshSoon, showInList } from "./thread-list.js";
import { tellOtherTabs } from "./tabs.js";

const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 8000;
const PREVIEW_CHARACTERS_MAX = 200;
// A server that fails at every try is not waited for without end; what was sent is kept with its key.
const FAILURES_MAX = 6;
const ENDED = new Set(["response.completed", "response.cancelled", "response.failed"]);

let reader = null;

readAnswersWith({ follow, leave });

/** Stop reading; the answer goes on at the server. */
function leave() {
  reader?.abort();
  reader = null;
}

/**
 * Send a message, to the open thread or to a new one, and return whether the server has it.
 *
 * Until it has, the text stays that thread's draft: it is back there when this returns false or raises.
 */
export async function sendMessage(text, draft) {
  const isNew = conversation.threadId === null;
  const { assistantId, expiresAt, model } = conversation;
  const thread = isNew ? { assistantId, expiresAt: expiresAt ?? undefined } : undefined;
  const sameness = JSON.stringify(isNew ? { text, assistantId, isTemporary: expiresAt !== null, model } : { text });
  const sending = beginSending(draft, text, sameness, { input: text, thread, after: whereToGoOn() });
  conversation.pending = { text };
  conversation.failure = null;
  try {
    await ask(isNew ? "v1/responses" : responsesPath(), sending.fields, { key: sending.key, taken: sending.taken });
  } catch (error) {
    // What this key stored has been deleted since, is another message, or is no longer possible.
    if ([400, 404].includes(error.status) || error.code === "key_reused") sending.forgetKey();
    throw error;
  } finally {
    sending.ended();
    changed();
  }
  return sending.isTaken();
}

/** Answer anew: beside the newest answer, or what was left without one. */
export async function answerAnew() {
  const newest = newestMessage();
  conversation.failure = null;
  await ask(responsesPath(), { after: newest?.role === "assistant" ? newest.parentId : whereToGoOn() });
}

/** Send a message anew, with other content, beside what it was; `taken` is called when the server has it. */
export async function sendAnew({ parentId }, content, taken) {
  conversation.failure = null;
  await ask(responsesPath(), { input: [{ role: "user", content }], after: parentId }, { taken });
}

/** Follow whatever runs in the open thread. */
async function follow() {
  conversation.answer = newAnswer({});
  const path = `v1/threads/${conversation.threadId}/stream`;
  await runToEnd((signal) => openStream("GET", path, { signal }));
}

export async function stop() {
  const answer = conversation.answer;
  if (!answer?.responseId || answer.isStopping) return;
  answer.isStopping = true;
  changed();
  try {
    await post(`${responsesPath()}/${answer.responseId}/cancel`);
  } finally {
    answer.isStopping = false;
    changed();
  }
}

async function ask(path, fields, { key = newKey(), taken = () => {} } = {}) {
  conversation.answer = newAnswer({ isOwn: true, after: fields.after, taken });
  changed();
  await runToEnd(async (signal) => {
    const body = { ...fields, model: await chosenModel(), stream: true };
    return openStream("POST", path, { body, key, signal });
  });
}

/** `isElsewhere`: it is written on another line than the one that is shown. */
function newAnswer(more) {
  return {
    responseId: null, messageId: null, text: "", reasoning: "", toolCalls: [], isLost: false, isStopping: false,
    isOwn: false, isElsewhere: false, taken: () => {}, ...more,
  };
}

function responsesPath() {
  return `v1/threads/${conversation.threadId}/responses`;
}

/** Read the stream over as many connections as it takes. */
async function runToEnd(begin) {
  leave();
  const mine = (reader = new AbortController());
  const { signal } = mine;
  const position = { lastId: null, isEnded: false, triesCount: 0, failuresCount: 0 };
  try {
    for (let pause = PAUSE_MIN_MS; !position.isEnded; pause = Math.min(pause * 2, PAUSE_MAX_MS)) {
      const before = position.lastId;
      await readOnce(begin, position, signal);
      if (signal.aborted) return;
      if (position.lastId !== before) pause = PAUSE_MIN_MS;
      if (!position.isEnded) await waitAfterBreak(pause, signal);
    }
  } catch (error) {
    if (signal.aborted) return;
    Object.assign(conversation, { answer: null, pending: null });
    changed();
    throw error;
  }
  if (!signal.aborted) await settle();
}

async function readOnce(begin, position, signal) {
  position.triesCount++;
  try {
    const answer = position.lastId ? await openEvents(position.lastId, signal) : await begin(signal);
    if (answer.status === 204) {
      position.isEnded = true;
      return;
    }
    setLost(false);
    for await (const event of events(answer)) {
      if (signal.aborted) return;
      apply(event);
      position.lastId = event.id ?? position.lastId;
      position.isEnded = ENDED.has(event.name);
    }
  } catch (error) {
    if (signal.aborted) return;
    if (!isWaitedOut(error, position)) throw error;
  }
}

/** A certain refusal of the first request wrote nothing: its sender decides. After others, the work may be done. */
function isWaitedOut(error, position) {
  if (!error.isTemporary) return false;
  if (!(error instanceof ApiError)) return true;
  if (position.triesCount === 1 && error.isCertain) return false;
  return position.lastId !== null || ++position.failuresCount < FAILURES_MAX;
}

function openEvents(lastId, signal) {
  const [responseId] = lastId.split(":");
  return openStream("GET", `${responsesPath()}/${responseId}/events`, { lastId, signal });
}

function setLost(isLost) {
  if (conversation.answer && conversation.answer.isLost !== isLost) {
    conversation.answer.isLost = isLost;
    changed();
  }
}

function waitAfterBreak(pause, signal) {
  setLost(true);
  const over = AbortSignal.any([signal, AbortSignal.timeout(pause)]);
  return new Promise((done) => {
    over.addEventListener("abort", done);
    addEventListener("online", done, { signal: over });
  });
}

function apply({ name, data }) {
  const answer = conversation.answer;
  if (name === "response.created") begun(answer, data);
  else if (name === "response.output_text.delta") answer.text += data.delta;
  else if (name === "response.reasoning.delta") answer.reasoning += data.delta;
  else if (name === "response.tool_call.delta") addToolCall(answer.toolCalls, data);
  else if (name === "response.reset") startOver(answer, data);
  else if (ENDED.has(name)) ended(answer, data.response);
  changed();
}

function begun(answer, { response, inputMessages, message }) {
  Object.assign(answer, { responseId: response.id, messageId: message.id });
  if (conversation.threadId === null) created(response, conversation.pending.text).catch(refreshSoon);
  place(answer, [...inputMessages, message]);
  conversation.pending = null;
  answer.taken(inputMessages[0]?.id);
  if (conversation.thread) showInList({ ...conversation.thread, status: "streaming" });
  tellOtherTabs(response.threadId);
  // Drawn while it is empty, also when all of it is here already: what is drawn growing is announced.
  drawNow();
  if (!answer.isElsewhere) announce("The answer is being written.");
}

/** Show new messages on the line they belong to. What others write elsewhere is only counted. */
function place(answer, stored) {
  answer.isElsewhere = !answer.isOwn && !isOnLine(stored[0]);
  if (answer.isElsewhere) loadThread({ follows: false });
  else goOnWith(stored, answer.after);
}

/** The first message has created its thread: from now on the address names it. */
async function created(response, text) {
  becomeThread(response.threadId);
  rename(session.organization.id, response.threadId);
  const { data: thread, tag } = await reread(`v1/threads/${response.threadId}`);
  if (conversation.threadId !== thread.id) return;
  showInList({ ...thread, lastMessage: { role: "user", preview: text.slice(0, PREVIEW_CHARACTERS_MAX) } }, true);
  showThread(thread, tag);
}

function startOver(answer, { response, message }) {
  const isBegun = answer.messageId !== null;
  Object.assign(answer, { responseId: response.id, text: response.outputText, reasoning: "" });
  if (!message) return;
  answer.messageId = message.id;
  answer.toolCalls = (message.toolCalls ?? []).map((call) => ({ ...call.function }));
  if (!isBegun) place(answer, [message]);
  else if (isOnLine(message)) putMessage(message);
}

function addToolCall(calls, { index, name, arguments: text }) {
  const call = (calls[index] ??= { name: "", arguments: "" });
  if (name) call.name = name;
  call.arguments += text;
}

function ended(answer, response) {
  const reason = reasonOf(response);
  if (reason) conversation.reasons.set(response.id, reason);
  answer.text = response.outputText || answer.text;
  const message = conversation.messages.find((candidate) => candidate.id === answer.messageId);
  if (response.messageId === null) {
    if (message) dropMessage(message.id);
    if (!answer.isElsewhere) conversation.failure = reason;
  } else if (message) {
    const content = answer.text ? [{ type: "text", text: answer.text }] : [];
    const toolCalls = answer.toolCalls.length > 0 ? answer.toolCalls.map((made) => ({ function: made })) : null;
    putMessage({ ...message, content, toolCalls, status: response.status === "completed" ? "completed" : "incomplete" });
  }
  // Drawn first: its last paragraph is announced before its end.
  drawNow();
  if (!answer.isElsewhere) announce(reason ? reason.message : "The answer is complete.");
}

/** Read what is stored: tool calls, numbers, the thread's revision. */
async function settle() {
  const threadId = conversation.threadId;
  Object.assign(conversation, { answer: null, pending: null });
  if (conversation.thread) showInList({ ...conversation.thread, status: "inactive" });
  changed();
  tellOtherTabs(threadId);
  refreshSoon();
  await loadThread({ follows: false });
  // A name that the server makes by itself comes a little after the first answer.
  if (conversation.thread?.title === null) setTimeout(checkNow, 1000);
}
