// Where one writes.

import { conversation } from "./conversation.js";
import { draftOf, keepDraft } from "./drafts.js";
import { icon } from "./icons.js";
import { html, live } from "./lit.js";
import { send, stopAnswer } from "./message-actions.js";
import { chosenModel } from "./models.js";
import { changed } from "./store.js";
import { unarchive, unlock } from "./thread-actions.js";

const TEXT_CHARACTERS_MAX = 256 * 1024;
const HEIGHT_MAX_PX = 260;

/** `sent` is called when a message goes. */
export function composer(sent) {
  const state = conversation.thread?.state ?? "open";
  if (state === "archived") return closed("archive", "This thread is archived: it takes no messages.", "Unarchive", unarchive);
  if (state === "locked") return closed("lock", "This thread is locked: it takes no messages.", "Unlock", unlock);
  const draft = draftOf(draftName());
  const isSending = conversation.pending !== null;
  const isRunning = conversation.answer !== null && !isSending;
  const isTooLong = draft.length > TEXT_CHARACTERS_MAX && [...draft].length > TEXT_CHARACTERS_MAX;
  return html`<form class="composer" @submit=${(event) => submit(event, sent)}>
    <textarea id="composer" rows="1" dir="auto" aria-label="Message" placeholder="Write a message"
      aria-describedby="composer-hint" .value=${live(draft)} @input=${input} @keydown=${keys}></textarea>
    <div class="composer-foot">
      <span id="composer-hint" class="faint">${isTooLong
        ? html`<strong class="wrong">Too long: at most ${TEXT_CHARACTERS_MAX.toLocaleString()} characters.</strong>`
        : isSending ? "Sending…"
        : isRunning && conversation.answer.isElsewhere ? "Another version of this thread is being answered"
        : isRunning ? html`<kbd>Esc</kbd> stops the answer`
        : html`<kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> makes a new line`}</span>
      ${isRunning ? stopButton() : sendButton(isSending || draft.trim() === "" || isTooLong)}
    </div>
  </form>`;
}

/** Make the field as high as what is in it. */
export function fitComposer() {
  const field = document.getElementById("composer");
  if (!field || field.dataset.fitted === field.value + field.clientWidth) return;
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight, HEIGHT_MAX_PX)}px`;
  field.dataset.fitted = field.value + field.clientWidth;
}

function draftName() {
  return conversation.threadId ?? "new";
}

function sendButton(isDisabled) {
  return html`<button class="send" aria-label="Send" title="Send" ?disabled=${isDisabled}>${icon("send")}</button>`;
}

function stopButton() {
  const { responseId, isStopping } = conversation.answer;
  return html`<button type="button" class="send stop" aria-label="Stop the answer" title="Stop (Esc)"
    ?disabled=${!responseId || isStopping} @click=${stopAnswer}>${icon("stop")}</button>`;
}

function closed(name, sentence, label, open) {
  return html`<div class="composer closed"><p>${icon(name)} ${sentence}</p>
    <button class="button quiet" @click=${() => open(conversation.threadId)}>${label}</button></div>`;
}

function input(event) {
  keepDraft(draftName(), event.target.value);
  // So that sending need not wait for it.
  chosenModel().catch(() => {});
  changed();
}

function keys(event) {
  // 229 and isComposing: this Enter chooses a word of an input method.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  event.target.form.requestSubmit();
}

function submit(event, sent) {
  event.preventDefault();
  const field = event.target.querySelector("textarea");
  const text = field.value;
  if (conversation.answer !== null || text.trim() === "" || [...text].length > TEXT_CHARACTERS_MAX) return;
  send(text, draftName());
  sent();
  field.focus();
}

