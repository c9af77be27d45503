// Everything about a thread that is not its messages: assistant, visibility, tags, metadata, and its actions by name.

import { assistantName, assistants, isDeleted, loadAssistants } from "./assistants.js";
import { copy } from "./clipboard.js";
import { conversation } from "./conversation.js";
import { openDialog } from "./dialogs.js";
import { icon } from "./icons.js";
import { html, nothing } from "./lit.js";
import { metadataEditor } from "./metadata-editor.js";
import { isPerson } from "./session.js";
import { archive, keep, lock, makeName, remove, unarchive, unlock, update } from "./thread-actions.js";
import { titleOf } from "./thread-words.js";
import { exactTime } from "./times.js";

export function openDetails(threadId) {
  const thread = () => (conversation.threadId === threadId ? conversation.thread : null);
  if (thread() === null) return;
  let editor = null;
  let draw = () => {};
  openDialog("Details", (close, redraw) => {
    draw = redraw;
    const current = thread();
    if (current === null) return nothing;
    const save = (metadata) => update(threadId, { metadata });
    editor ??= metadataEditor(current.metadata, current.state === "archived", save, redraw);
    const change = async (fields) => {
      await update(threadId, fields);
      redraw();
    };
    return html`
      <p class="dialog-title"><bdi>${titleOf(current)}</bdi></p>
      ${actions(current, close)}
      ${assistantField(current, change)}
      ${visibilityField(current, change)}
      ${current.state === "archived" ? archivedNote() : nothing}
      ${editor()}
      ${facts(current)}`;
  }, { isWide: true });
  loadAssistants().then(() => draw(), () => {});
}

function archivedNote() {
  return html`<p class="notice">An archived thread's metadata cannot be changed: take it out of the archive first.</p>`;
}

function actions(thread, close) {
  const act = (name, word, work) => {
    const click = () => {
      close();
      work(thread.id);
    };
    return html`<button class="button quiet small" @click=${click}>${icon(name)} ${word}</button>`;
  };
  return html`<div class="actions">
    ${thread.state === "open" && thread.messageCount > 0 ? act("name", "Generate name", makeName) : nothing}
    ${thread.state === "open" ? act("lock", "Lock", lock) : nothing}
    ${thread.state === "locked" ? act("unlock", "Unlock", unlock) : nothing}
    ${thread.state === "archived" ? act("archive", "Unarchive", unarchive) : act("archive", "Archive", archive)}
    ${thread.state === "open" && thread.expiresAt !== null ? act("check", "Keep for good", keep) : nothing}
    ${act("remove", "Delete", remove)}
  </div>
  <div class="actions">
    ${act("save", "Save as Markdown", async () => (await saving()).saveMarkdown(thread, shownEnd()))}
    ${act("save", "Save as JSON", async () => (await saving()).saveJson(thread))}
  </div>`;
}

function saving() {
  return import("./saving.js");
}

/** The last message of the shown line; null if that is the newest one. */
function shownEnd() {
  return conversation.isCurrent ? null : conversation.end;
}

function assistantField(thread, change) {
  const reason = whyAssistantStays(thread);
  const current = thread.assistantId;
  const mayClear = current === null || reason === null;
  const choose = (event) => change({ assistantId: event.target.value || null });
  return html`<label class="field">Assistant
    <select ?disabled=${reason !== null} aria-describedby="assistant-hint" @change=${choose}>
      ${mayClear ? html`<option value="" ?selected=${current === null}>None: the server's default model</option>` : nothing}
      ${current !== null && !assistants.all.some(({ id }) => id === current)
        ? html`<option value=${current} selected>${assistantName(current)} (${current})</option>` : nothing}
      ${assistants.all.map(({ id, name }) => html`<option value=${id} ?selected=${id === current}>${name}</option>`)}
    </select></label>
    <p id="assistant-hint" class="hint">${reason ?? "Its settings count for all answers in this thread."}</p>`;
}

function whyAssistantStays(thread) {
  if (thread.state !== "open") return `A ${thread.state} thread keeps its assistant.`;
  if (thread.assistantId === null || thread.messageCount === 0 || isDeleted(thread.assistantId)) return null;
  return "It stays, since messages were written with it. For another assistant begin a new thread.";
}

function visibilityField(thread, change) {
  const reason = whyVisibilityStays(thread);
  const toggle = (event) => change({ visibleInUi: event.target.checked });
  return html`<label class="check"><input type="checkbox" role="switch" aria-describedby="visible-hint"
      .checked=${thread.visibleInUi} ?disabled=${reason !== null} @change=${toggle}> Shown in lists</label>
    <p id="visible-hint" class="hint">${reason ?? "Switched off, lists show it only with “Show hidden”."}</p>`;
}

function whyVisibilityStays(thread) {
  if (!isPerson()) return "Only a signed-in person may change this: sign in with a token, not with an API key.";
  if (thread.state !== "open") return `This cannot be changed while the thread is ${thread.state}.`;
  return null;
}

function facts(thread) {
  const fact = (name, value) => html`<div><dt>${name}</dt><dd><bdi>${value}</bdi></dd></div>`;
  return html`<dl class="facts">
    <div><dt>Id</dt><dd><code>${thread.id}</code>
      <button class="icon-button small" aria-label="Copy the id"
        @click=${() => copy(thread.id, "Id")}>${icon("copy")}</button></dd></div>
    ${fact("Owner", thread.userId)} ${fact("Messages", thread.messageCount)} ${fact("Created", exactTime(thread.createdAt))}
    ${fact("Changed", exactTime(thread.updatedAt))}
    ${thread.expiresAt === null ? nothing : fact("Deleted", exactTime(thread.expiresAt))}
  </dl>`;
}
