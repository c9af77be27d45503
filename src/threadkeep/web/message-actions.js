// What can be done to messages.

import { answerAnew, sendAnew, sendMessage, stop } from "./answering.js";
import { call } from "./api.js";
import { checkNow, dropMessage } from "./conversation.js";
import { confirm } from "./dialogs.js";
import { changed } from "./store.js";
import { tellOtherTabs } from "./tabs.js";
import { errorToast } from "./toasts.js";

/** The message that is being edited: `{id, content, texts, isSending}`, or null; `texts` are those of its parts. */
export const editing = { current: null };

/** Send a draft. Returns whether it was taken. */
export async function send(text, draft) {
  try {
    return await sendMessage(text, draft);
  } catch (error) {
    if (error.status !== 401) explain(error);
    return false;
  }
}

export async function retry() {
  try {
    await answerAnew();
  } catch (error) {
    explain(error);
  }
}

export async function stopAnswer() {
  try {
    await stop();
  } catch (error) {
    errorToast(error);
  }
}

export function beginEdit(message) {
  const texts = textsOf(message);
  const { id, content } = message;
  editing.current = { id, content, texts: texts.length > 0 ? texts : [""], isSending: false };
  changed();
}

export function endEdit() {
  editing.current = null;
  changed();
}

/**
 * Send what was edited, beside what it was: each text in its place among pictures and files.
 *
 * `taken` is called with the new message's id when the server has it.
 */
export async function sendEdit(message, taken) {
  const edit = editing.current;
  if (edit.isSending) return;
  edit.isSending = true;
  changed();
  const end = (id) => {
    if (editing.current === edit) endEdit();
    taken(id);
  };
  try {
    await sendAnew(message, edited(edit), end);
  } catch (error) {
    explain(error);
  } finally {
    edit.isSending = false;
    changed();
  }
}

function edited({ content, texts }) {
  const rest = [...texts];
  const parts = content.map((part) => (part.type === "text" ? { ...part, text: rest.shift() } : part));
  const added = rest.map((text) => ({ type: "text", text }));
  return [...parts, ...added].filter((part) => part.type !== "text" || part.text.trim() !== "");
}

export async function removeMessage(message) {
  const sentence = "It is deleted for good, for everybody who sees this thread. The model will not see it either.";
  if (!(await confirm("Delete this message?", sentence, "Delete message"))) return;
  try {
    await call("DELETE", path(message));
    dropMessage(message.id);
    tellOtherTabs(message.threadId);
    checkNow();
  } catch (error) {
    explain(error);
  }
}

export function textOf(message) {
  return textsOf(message).join("\n\n");
}

function textsOf(message) {
  return message.content.filter((part) => part.type === "text").map((part) => part.text);
}

function explain(error) {
  errorToast(error);
  // Somebody else's answer runs: show it.
  if (error.code === "thread_busy") checkNow();
}

function path(message) {
  return `v1/threads/${message.threadId}/messages/${message.id}`;
}
