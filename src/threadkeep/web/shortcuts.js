// The keyboard's shortcuts, and the dialog that lists them.

import { conversation } from "./conversation.js";
import { focusComposer } from "./composer-view.js";
import { showStart } from "./conversation-view.js";
import { isDialogOpen, openDialog } from "./dialogs.js";
import { html } from "./lit.js";
import { stopAnswer } from "./message-actions.js";
import { go } from "./route.js";
import { session } from "./session.js";
import { deviceStorage } from "./storage.js";
import { moveInList } from "./thread-list-view.js";
import { takeNewestAction } from "./toasts.js";

const LISTED = [
  ["n", "New thread"],
  ["/", "Search in titles"],
  ["j  k  ↓  ↑", "Down and up in the list"],
  ["Enter", "Open the thread; in the message field: send"],
  ["m", "Write a message"],
  ["g", "To the first message"],
  ["Home  End", "In the messages: to the first, to the newest"],
  ["z", "Undo what was just offered to be undone"],
  ["Esc", "Stop the answer, close a dialog"],
  ["?", "This list"],
];

const ACTIONS = {
  n: () => go(session.organization.id, "new"),
  "/": () => document.getElementById("search")?.focus(),
  j: () => moveInList(1),
  k: () => moveInList(-1),
  m: focusComposer,
  g: () => conversation.status === "ready" && showStart(),
  z: takeNewestAction,
  "?": openShortcuts,
};

/** Listen to the keyboard from now on. */
export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (session.phase !== "ready" || isDialogOpen() || event.defaultPrevented || event.isComposing) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return escape();
    const isInList = event.target.closest?.("#list") !== null;
    if (isInList && event.key === "ArrowDown") return act(event, ACTIONS.j);
    if (isInList && event.key === "ArrowUp") return act(event, ACTIONS.k);
    if (!isWriting(event.target) && areOn() && Object.hasOwn(ACTIONS, event.key)) act(event, ACTIONS[event.key]);
  });
}

export function openShortcuts() {
  openDialog("Keyboard shortcuts", () => html`
    <dl class="shortcuts">${LISTED.map(([keys, words]) => html`<div>
      <dt>${keys.split("  ").map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${words}</dd></div>`)}</dl>
    <label class="check"><input type="checkbox" .checked=${areOn()} @change=${(event) => switchOn(event.target.checked)}>
      Single letters are shortcuts</label>
    <p class="faint">Switch them off if you speak to your computer, or if they come in your way.</p>`);
}

function act(event, action) {
  event.preventDefault();
  action();
}

function escape() {
  if (conversation.answer) stopAnswer();
}

function isWriting(element) {
  return element.matches?.("input:not([type=checkbox]), textarea, select") ?? false;
}

function areOn() {
  return deviceStorage.read("shortcuts") !== "off";
}

function switchOn(isOn) {
  deviceStorage.write("shortcuts", isOn ? null : "off");
}
