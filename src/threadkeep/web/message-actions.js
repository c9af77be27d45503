// What can be done to messages.

import { answerAnew, sendMessage, stop } from "./answering.js";
import { call } from "./api.js";
import { checkNow, conversation, dropMessage, putMessage } from "./conversation.js";
import { confirm } from "./dialogs.js";
import { keepDraft } from "./drafts.js";
import { changed } from "./store.js";
import { tellOtherTabs } from "./tabs.js";
import { errorToast } from "./toasts.js";

/** The message that is being edited: `{id, text, isSaving}`, or null. */
export const editing = { current: null };

/** Send, and give the text back if it was refused. Returns whether it was taken. */
export async function send(text, draftName) {
  const threadId = conversation.threadId;
  try {
    keepDraft(draftName, "");
    await sendMessage(text);
    return true;
  } catch (error) {
    // Sent while another thread was opened: the text waits there as its draft.
    keepDraft(draftName, text);
    if (error.status !== 401) explain(error);
    if (conversation.threadId === threadId) changed();
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
  editing.current = { id: message.id, text: textOf(message), isSaving: false };
  changed();
}

export function endEdit() {
  editing.current = null;
  changed();
}

/** Save what was edited: the text in place of the message's text; pictures and files stay. True if that worked. */
export async function saveEdit(message) {
  const edit = editing.current;
  if (edit.isSaving) return false;
  edit.isSaving = true;
  changed();
  const others = message.content.filter((part) => part.type !== "text");
  const content = edit.text.trim() ? [{ type: "text", text: edit.text }, ...others] : others;
  try {
    const { data } = await call("PATCH", path(message), { body: { content } });
    putMessage(data);
    tellOtherTabs(message.threadId);
    return true;
  } catch (error) {
    explain(error);
    return false;
  } finally {
    edit.isSaving = false;
    changed();
  }
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
  return message.content.filter((part) => part.type === "text").map((part) => part.text).join("\n\n");
}

function explain(error) {
  errorToast(error);
  // Somebody else's answer runs: show it.
  if (error.code === "thread_busy") checkNow();
}

function path(message) {
  return `v1/threads/${message.threadId}/messages/${message.id}`;
}
