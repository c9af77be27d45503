// Short notes at the edge of the screen, some with an action that is offered for a while.

import { announce } from "./announcer.js";
import { icon } from "./icons.js";
import { html, nothing, render, repeat } from "./lit.js";

const SHOWN_MS = 5000;
const TOASTS_MAX = 4;
// Between the notes and what makes room for them.
const GAP_PX = 24;

// Notes lie on what is below them: that gets as much less room, so that no text is covered.
const room = new CSSStyleSheet();
document.adoptedStyleSheets = [room];

let toasts = [];
let nextNumber = 1;

/**
 * Show `text`; `action` is `{label, run}`. `expired` is called once when the time is over and nobody took the action.
 *
 * A note takes the place of an older one about the same: its `topic`, or else what has the same words.
 */
export function toast({ text, code, action, topic = text, isError = false, shownMs = SHOWN_MS, expired = () => {} }) {
  const note = { number: nextNumber++, text, code, action, topic, isError, shownMs, expired };
  for (const older of toasts.filter((other) => other.topic === topic)) expire(older);
  toasts = [...toasts, note];
  start(note);
  // The oldest gives way; what it was waiting for happens.
  if (toasts.length > TOASTS_MAX) expire(toasts[0]);
  draw();
  announce(text);
  return note;
}

export function errorToast(error, action) {
  return toast({ text: error.message, code: error.code, action, isError: true, shownMs: 8000 });
}

/** Take the newest offered action, from the keyboard. */
export function takeNewestAction() {
  const note = toasts.findLast((candidate) => candidate.action);
  if (note) take(note);
}

/** End all waiting at once: the page is going away. */
export function expireAll() {
  for (const note of [...toasts]) expire(note);
}

function take(note) {
  remove(note);
  note.action.run();
}

function expire(note) {
  if (!toasts.includes(note)) return;
  remove(note);
  note.expired();
}

function remove(note) {
  clearTimeout(note.timer);
  toasts = toasts.filter((other) => other !== note);
  draw();
}

function start(note) {
  clearTimeout(note.timer);
  note.timer = setTimeout(() => expire(note), note.shownMs);
}

// Whoever is reading it, or about to press its button, is not hurried.
const wait = (note) => () => clearTimeout(note.timer);
const goOn = (note) => () => toasts.includes(note) && start(note);

function draw() {
  const container = document.getElementById("toasts");
  const area = document.getElementById("messages");
  const before = area && { top: area.offsetTop, scrolled: area.scrollTop };
  render(html`${repeat(toasts, (note) => note.number, row)}`, container);
  // Shown anew each time, so that notes lie above a dialog that was opened meanwhile.
  if (container.matches(":popover-open") && !container.contains(document.activeElement)) container.hidePopover();
  if (toasts.length > 0) container.showPopover();
  const height = toasts.length > 0 ? container.offsetHeight + GAP_PX : 0;
  room.replaceSync(`:root { --notes-room: ${height}px; }`);
  // What is being read stays where it is.
  if (area) area.scrollTop = before.scrolled + area.offsetTop - before.top;
}

function row(note) {
  return html`<div class="toast ${note.isError ? "toast-error" : ""}" role="group" aria-label="Note"
      @pointerenter=${wait(note)} @pointerleave=${goOn(note)} @focusin=${wait(note)} @focusout=${goOn(note)}>
    <p><bdi>${note.text}</bdi>${note.code ? html` <code class="error-code">${note.code}</code>` : nothing}</p>
    ${note.action ? html`<button class="button quiet" @click=${() => take(note)}>${note.action.label}</button>` : nothing}
    <button class="icon-button" aria-label="Dismiss" @click=${() => expire(note)}>${icon("close")}</button>
  </div>`;
}
