// The keyboard's shortcuts.

import { conversation } from "./conversation.js";
import { isDialogOpen } from "./dialogs.js";
import { draftOf, keepDraft } from "./drafts.js";
import { stopAnswer } from "./message-actions.js";
import { go } from "./route.js";
import { session } from "./session.js";
import { areOn, openShortcuts } from "./shortcuts-dialog.js";
import { moveInList } from "./thread-list-view.js";
import { takeNewestAction } from "./toasts.js";

const ACTIONS = {
  n: () => go(session.organization.id, "new"),
  "/": () => document.getElementById("search")?.focus(),
  j: () => moveInList(1),
  k: () => moveInList(-1),
  m: focusComposer,
  z: takeNewestAction,
  "?": openShortcuts,
};

/** Add keys of what is loaded later: `{key: action}`. */
export function addActions(more) {
  Object.assign(ACTIONS, more);
}

/** Listen to the keyboard from now on. */
export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (session.phase !== "ready" || isDialogOpen() || event.defaultPrevented || event.isComposing) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return escape();
    if (isComposerComing() && !isWriting(event.target)) return event.key.length === 1 ? act(event, typeAhead) : undefined;
    const isInList = event.target.closest?.("#list") !== null;
    if (isInList && event.key === "ArrowDown") return act(event, ACTIONS.j);
    if (isInList && event.key === "ArrowUp") return act(event, ACTIONS.k);
    if (!isWriting(event.target) && areOn() && Object.hasOwn(ACTIONS, event.key)) act(event, ACTIONS[event.key]);
  });
}

export function focusComposer() {
  document.getElementById("composer")?.focus();
}

/** A new thread is open, and the field for its first message is still being loaded. */
function isComposerComing() {
  return conversation.status === "new" && document.getElementById("composer") === null;
}

/** What is typed before the field is there is in it when it comes. */
function typeAhead(event) {
  keepDraft("new", draftOf("new") + event.key);
}

function act(event, action) {
  event.preventDefault();
  action(event);
}

function escape() {
  if (conversation.answer) stopAnswer();
}

function isWriting(element) {
  return element.matches?.("input:not([type=checkbox]), textarea, select") ?? false;
}
