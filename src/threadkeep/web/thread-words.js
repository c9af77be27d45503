// How a thread is called and marked, in the list and above the conversation.

import { icon } from "./icons.js";
import { html, nothing } from "./lit.js";
import { exactTime, until } from "./times.js";

const SOON_S = 7 * 24 * 3600;

/** The title, or a word for titles that are missing or have nothing to see in them. */
export function titleOf(thread) {
  return hasTitle(thread) ? thread.title : "Untitled";
}

export function hasTitle(thread) {
  return isSeen(thread.title ?? "");
}

/** Whether there is anything in a text that can be seen. */
export function isSeen(text) {
  return /[\p{L}\p{N}\p{P}\p{S}]/u.test(text);
}

/** What a thread is marked with; in the list, that it will be deleted only if that is soon. */
export function marks(thread, { inList = false } = {}) {
  return html`${thread.status === "streaming" ? mark("streaming", html`<span class="pulse"></span>`, "Answering") : nothing}
    ${thread.state === "locked" ? mark("", icon("lock"), "Locked") : nothing}
    ${thread.state === "archived" ? mark("", icon("archive"), "Archived") : nothing}
    ${thread.visibleInUi ? nothing : mark("", icon("hidden"), "Hidden")}
    ${thread.expiresAt === null || (inList && thread.expiresAt > soon()) ? nothing : goingMark(thread.expiresAt)}`;
}

function soon() {
  return Date.now() / 1000 + SOON_S;
}

function goingMark(expiresAt) {
  return html`<span class="mark" title=${`Deleted ${exactTime(expiresAt)}`}>${icon("clock")}Deleted ${until(expiresAt)}</span>`;
}

function mark(className, sign, word) {
  return html`<span class="mark ${className}">${sign}${word}</span>`;
}
