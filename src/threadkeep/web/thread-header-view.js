// Above the conversation: the thread's title, its state, and what can be done to it.

import { assistantName } from "./assistants.js";
import { conversation } from "./conversation.js";
import { openDetails } from "./details-dialog.js";
import { openFind } from "./find.js";
import { icon } from "./icons.js";
import { html, nothing } from "./lit.js";
import { go } from "./route.js";
import { session } from "./session.js";
import { changed, drawNow } from "./store.js";
import { archive, lock, makeName, namesInMaking, remove, unarchive, unlock, update } from "./thread-actions.js";
import { hasTitle, marks, titleOf } from "./thread-words.js";

const TITLE_CHARACTERS_MAX = 200;

const renaming = { threadId: null };

export function threadHeader(thread) {
  return html`<header class="head">
    ${backButton()}
    ${renaming.threadId === thread.id ? titleEditor(thread) : title(thread)}
    <div class="head-tools" role="toolbar" aria-label="Thread">
      ${thread.state === "open" && thread.messageCount > 0 ? nameTool(thread) : nothing}
      ${stateTools(thread)}
      ${tool("search", "Find in the thread", openFind, false, "always")}
      ${tool("remove", "Delete thread", () => remove(thread.id))}
      ${tool("details", "Details, tags and metadata", () => openDetails(thread.id), false, "always")}
    </div>
  </header>`;
}

export function newHeader(words) {
  return html`<header class="head">${backButton()}<div class="title"><h1 tabindex="-1">${words}</h1></div></header>`;
}

function title(thread) {
  const isMaking = namesInMaking.has(thread.id);
  const words = isMaking ? namesInMaking.get(thread.id) || "Finding a name…" : titleOf(thread);
  return html`<div class="title">
    <h1 tabindex="-1" dir="auto" class=${hasTitle(thread) ? "" : "faint"} title=${words}>${words}</h1>
    ${thread.state === "open" && !isMaking
      ? html`<button class="icon-button small" aria-label="Rename" title="Rename"
          @click=${() => beginRenaming(thread)}>${icon("edit")}</button>`
      : nothing}
    <p class="subtitle">${marks(thread)}
      ${thread.assistantId ? html`<span class="mark"><bdi>${assistantName(thread.assistantId)}</bdi></span>` : nothing}
      ${thread.userId === session.user.id ? nothing : html`<span class="mark">of <bdi>${thread.userId}</bdi></span>`}</p>
  </div>`;
}

function titleEditor(thread) {
  const end = () => {
    renaming.threadId = null;
    drawNow();
    document.querySelector("[aria-label='Rename']")?.focus();
  };
  const save = async (event) => {
    event.preventDefault();
    const words = event.target.querySelector("input").value.trim();
    if ([...words].length > TITLE_CHARACTERS_MAX) return;
    if (words === (thread.title ?? "") || (await update(thread.id, { title: words || null }))) end();
  };
  const keys = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") end();
  };
  const check = (event) => {
    const isTooLong = [...event.target.value.trim()].length > TITLE_CHARACTERS_MAX;
    event.target.setCustomValidity(isTooLong ? `At most ${TITLE_CHARACTERS_MAX} characters.` : "");
    event.target.reportValidity();
  };
  return html`<form class="title-editor" @submit=${save} @keydown=${keys}>
    <input id="title" aria-label="Title" dir="auto" .value=${thread.title ?? ""} placeholder="No title" @input=${check}>
    <button class="button small">Save</button>
    <button type="button" class="button quiet small" @click=${end}>Cancel</button>
  </form>`;
}

function beginRenaming(thread) {
  renaming.threadId = thread.id;
  drawNow();
  document.getElementById("title").select();
}

/** Offered in words while the thread has no title and nobody is about to give it one. */
function nameTool(thread) {
  const isMaking = namesInMaking.has(thread.id);
  const isOffered = !hasTitle(thread) && !isMaking && conversation.answer === null;
  const look = isOffered ? "button quiet small always" : "icon-button";
  return html`<button class=${look} aria-label=${isOffered ? "Name it" : "Generate a name"} title="Generate a name"
    ?disabled=${isMaking} @click=${() => makeName(thread.id)}>${icon("name")}${isOffered ? " Name it" : nothing}</button>`;
}

function stateTools(thread) {
  if (thread.state === "archived") return tool("archive", "Take out of the archive", () => unarchive(thread.id));
  return html`${thread.state === "locked"
    ? tool("unlock", "Unlock", () => unlock(thread.id))
    : tool("lock", "Lock", () => lock(thread.id))}
    ${tool("archive", "Archive", () => archive(thread.id))}`;
}

function tool(name, label, act, isDisabled = false, className = "") {
  return html`<button class="icon-button ${className}" aria-label=${label} title=${label} ?disabled=${isDisabled}
    @click=${act}>${icon(name)}</button>`;
}

function backButton() {
  const back = () => {
    go(session.organization.id);
    changed();
  };
  return html`<button class="icon-button back" aria-label="Back to the list" @click=${back}>${icon("back")}</button>`;
}
