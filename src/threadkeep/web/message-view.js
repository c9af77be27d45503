// One message on the screen.

import { copy } from "./clipboard.js";
import { conversation, newestMessage } from "./conversation.js";
import { icon } from "./icons.js";
import { html, nothing } from "./lit.js";
import { safeUrl } from "./markdown.js";
import { beginEdit, editing, endEdit, removeMessage, retry, sendEdit, textOf } from "./message-actions.js";
import { Prose } from "./prose.js";
import { session } from "./session.js";
import { changed, drawNow } from "./store.js";
import { dayOf, exactTime, isSameDay } from "./times.js";
import { focusSwitch, versions } from "./versions-view.js";

const WHO = { assistant: "Assistant", system: "System", tool: "Tool result" };
const UNKNOWN = { code: "incomplete", message: "The answer was cut off." };
const ADVICE = {
  cancelled: "Press Try again for another answer, or write on.",
  interrupted: "The server was restarted meanwhile. Press Try again.",
  model_unavailable: "If it stays, tell whoever runs this server.",
  model_timeout: "A shorter question may help.",
  model_refused: "Change what you asked, or ask whoever runs this server to look at the model's settings.",
  context_too_long: "Shorten your message, or begin a new thread.",
  length: "Ask for the rest.",
  answer_too_long: "Ask for a shorter answer, or for the rest.",
};
// In a closed thread nothing else is possible.
const ADVICE_WHEN_CLOSED = {
  locked: "Unlock the thread to try again or to write on.",
  archived: "Take the thread out of the archive to try again or to write on.",
};

// Drawn texts by message and part; drawing all of a long thread again at each new word would be slow.
const drawn = new Map();

/** Forget what was drawn of messages that are no longer shown; an answer that grows may be shown again. */
export function forgetDrawn(shown = new Set()) {
  for (const [key, { id }] of drawn) if (!shown.has(id) && id !== conversation.answer?.messageId) drawn.delete(key);
}

/** `before` is the message above it; undefined at the top of what is loaded. */
export function messageRow(message, before) {
  const answer = conversation.answer?.messageId === message.id ? conversation.answer : null;
  const isGrowing = answer !== null && message.status === "in_progress";
  return html`<li class="message ${message.role}" data-message=${message.id} aria-setsize="-1" aria-posinset=${message.seq}>
    ${day(message, before)}
    <article aria-label=${`${who(message)}, ${exactTime(message.createdAt)}`} aria-busy=${isGrowing ? "true" : "false"}>
      ${isPlain(message) ? nothing : html`<p class="who"><bdi>${who(message)}</bdi></p>`}
      ${editing.current?.id === message.id ? editor(message) : body(message, answer, isGrowing)}
      ${isGrowing ? progress(answer) : cutOff(message)}
      ${isGrowing || editing.current?.id === message.id ? nothing : tools(message)}
    </article>
  </li>`;
}

/** The day, where it is another one than above; above all, where it is not today. */
function day({ createdAt }, before) {
  const known = before?.createdAt ?? (conversation.hasOlder ? createdAt : Date.now() / 1000);
  return isSameDay(createdAt, known) ? nothing : html`<p class="day faint">${dayOf(createdAt)}</p>`;
}

export function pendingRow(text, isLost) {
  return html`<li class="message user pending"><article aria-label="You, sending">
    <div class="plain" dir="auto">${text}</div>
    ${isLost ? html`<p class="progress" role="status">Not sent yet. The page keeps trying.</p>` : nothing}</article></li>`;
}

/** Why there is no answer, and what to do. */
export function failureRow(failure) {
  return html`<li class="message assistant"><div class="trouble" role="alert">
    ${icon("warning")}
    <p>${failure.message} ${adviceOn(failure.code)} <code class="error-code">${failure.code}</code></p>
    ${threadState() === "open" ? retryButton() : nothing}
  </div></li>`;
}

function who(message) {
  if (message.role !== "user") return WHO[message.role];
  return isMine(message) ? "You" : message.userId;
}

/** Whether it is clear without a word who says it. */
function isPlain(message) {
  return message.role === "assistant" || (message.role === "user" && isMine(message));
}

function isMine(message) {
  return message.userId === session.user.id;
}

function body(message, answer, isGrowing) {
  if (message.role === "tool") return toolResult(message);
  if (isGrowing) {
    return html`${reasoning(answer)}${text(message, 0, answer.text, true)}${answer.toolCalls.map(toolCall)}`;
  }
  const parts = message.content.map((part, index) =>
    part.type === "text" ? text(message, index, part.text, false) : attachment(part),
  );
  return html`${parts}${(message.toolCalls ?? []).map((made) => toolCall(made.function))}`;
}

function text(message, index, value, isGrowing) {
  if (message.role !== "assistant") return html`<div class="plain" dir="auto">${value}</div>`;
  const key = `${message.id}.${index}`;
  if (!drawn.has(key)) drawn.set(key, { id: message.id, prose: new Prose(), isLive: isGrowing });
  const { prose, isLive } = drawn.get(key);
  prose.show(value, { isGrowing, isSpoken: isLive });
  return prose.element;
}

function attachment(part) {
  const url = safeUrl(part.url);
  const name = part.name || (part.type === "image" ? "Picture" : "File");
  return html`<p class="attachment">${icon("attachment")}
    ${url === null
      ? html`<span><bdi>${name}</bdi>: <bdi>${part.url}</bdi></span>`
      : html`<a href=${url} target="_blank" rel="noopener noreferrer" title=${url}><bdi>${name}</bdi></a>`}
  </p>`;
}

function reasoning(answer) {
  if (!answer.reasoning) return nothing;
  return html`<details class="fold"><summary>Thinking</summary>
    <div class="plain" dir="auto">${answer.reasoning}</div></details>`;
}

function toolCall({ name, arguments: given }) {
  return html`<details class="fold"><summary>${icon("tool")} Calls <code><bdi>${name}</bdi></code></summary>
    <pre tabindex="0" role="region" aria-label="Arguments">${readable(given)}</pre></details>`;
}

function toolResult(message) {
  return html`<details class="fold"><summary>${icon("tool")} Result of <code><bdi>${message.toolCallId}</bdi></code></summary>
    <pre tabindex="0" role="region" aria-label="Result">${readable(textOf(message))}</pre></details>`;
}

function readable(json) {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

function progress(answer) {
  if (answer.isLost) return lost(answer);
  if (answer.text || answer.toolCalls.length > 0) return nothing;
  return html`<p class="progress"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>
    <span class="unseen">Waiting for the answer</span></p>`;
}

/** Whether the server still writes, nobody here can know: it may have been the server that was lost. */
function lost(answer) {
  const known = answer.text || answer.toolCalls.length > 0 ? "This is what has come so far" : "Nothing has come so far";
  return html`<p class="progress" role="status">The connection to the server is lost. ${known}; trying again…</p>`;
}

function cutOff(message) {
  const known = conversation.reasons.get(message.responseId);
  if (message.status !== "incomplete" && !known) return nothing;
  const reason = known ?? UNKNOWN;
  // An answer that was followed by others cannot be replaced any more.
  const advice = newestMessage()?.id === message.id ? adviceOn(reason.code) : "";
  return html`<p class="cut-off">${icon("warning")} <span>${reason.message} ${advice}
    <code class="error-code">${reason.code}</code></span></p>`;
}

function adviceOn(code) {
  return ADVICE_WHEN_CLOSED[threadState()] ?? ADVICE[code] ?? "";
}

/** A thread that is yet to be created, or whose fields are on their way, is open. */
function threadState() {
  return conversation.thread?.state ?? "open";
}

function tools(message) {
  const isOpen = conversation.thread?.state === "open" && conversation.answer === null;
  const isNewest = newestMessage()?.id === message.id;
  return html`<div class="message-tools">
    ${versions(message)}
    ${message.payloadFormat === null ? nothing : payloadMark(message.payloadFormat)}
    ${button("copy", "Copy message", () => copy(textOf(message), "Message"))}
    ${isOpen && isNewest && message.role === "assistant" ? retryButton() : nothing}
    ${isOpen && message.role === "user" ? button("edit", "Edit message", () => edit(message)) : nothing}
    ${isOpen ? button("remove", "Delete message", () => removeMessage(message)) : nothing}
    <time class="faint" datetime=${new Date(message.createdAt * 1000).toISOString()}>${exactTime(message.createdAt)}</time>
  </div>`;
}

/** What a program keeps beside the message; only what kind of data it is can be said. */
function payloadMark(format) {
  const words = `Carries data of ${format}`;
  return html`<span class="payload" role="img" aria-label=${words} title=${words}>${icon("payload")}</span>`;
}

export function retryButton(label = "Try again") {
  return html`<button class="button quiet small" @click=${retry}>${icon("retry")} ${label}</button>`;
}

function button(name, label, act) {
  return html`<button class="icon-button small" aria-label=${label} title=${label} @click=${act}>${icon(name)}</button>`;
}

/** Open the editor and put the focus into it; when it closes, the focus goes back to where it came from. */
function edit(message) {
  beginEdit(message);
  drawNow();
  document.querySelector(".editor textarea")?.focus();
}

function close(message) {
  endEdit();
  drawNow();
  document.querySelector(`[data-message="${message.id}"] [aria-label="Edit message"]`)?.focus();
}

/** The editor is gone with the version that it was opened at: the focus goes to the new one. */
function showNew(id) {
  drawNow();
  focusSwitch(id, -1);
}

function editor(message) {
  const { texts, isSending } = editing.current;
  const send = (event) => {
    event.preventDefault();
    sendEdit(message, showNew);
  };
  const keys = (event) => {
    if (event.key === "Escape") close(message);
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
    event.stopPropagation();
  };
  const field = (text, index) => {
    const label = texts.length === 1 ? "Edit message" : `Edit text ${index + 1} of ${texts.length}`;
    const input = (event) => {
      texts[index] = event.target.value;
      changed();
    };
    return html`<textarea aria-label=${label} rows="4" dir="auto" .value=${text}
      @input=${input} @keydown=${keys}></textarea>`;
  };
  return html`<form class="editor" @submit=${send}>
    ${texts.map(field)}
    <div class="editor-foot">
      <span class="faint">It is answered anew. What was here stays, as another version.</span>
      <button type="button" class="button quiet" @click=${() => close(message)}>Cancel</button>
      <button class="button" ?disabled=${isSending || texts.every((text) => text.trim() === "")}>Send anew</button>
    </div>
  </form>`;
}
