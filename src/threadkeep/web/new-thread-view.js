// What can be chosen for a thread that is yet to be created. What leaves no choice is not shown.

import { assistants, refreshAssistants } from "./assistants.js";
import { conversation } from "./conversation.js";
import { html, nothing } from "./lit.js";
import { models, refreshModels } from "./models.js";
import { changed } from "./store.js";

const TEMPORARY_S = 24 * 3600;

export function newThreadChoices() {
  refreshAssistants();
  refreshModels();
  return html`
    ${assistants.all.length === 0 ? nothing : assistantField()}
    ${models.all.length < 2 || conversation.assistantId !== null ? nothing : modelField()}
    <label class="check"><input id="temporary" type="checkbox" .checked=${conversation.expiresAt !== null}
      @change=${chooseTemporary}> Temporary: deleted after 24 h</label>`;
}

function assistantField() {
  return html`<label class="field">Assistant
    <select id="new-assistant" @change=${chooseAssistant}>
      <option value="" ?selected=${conversation.assistantId === null}>None</option>
      ${assistants.all.map(({ id, name }) => option(id, name, id === conversation.assistantId))}
    </select></label>`;
}

/** An assistant brings its model with it: there is nothing to choose then. */
function modelField() {
  return html`<label class="field">Model
    <select id="new-model" @change=${chooseModel}>
      ${models.all.map(({ id, isDefault }) => isDefault
        ? option("", `${id} (default)`, conversation.model === null)
        : option(id, id, id === conversation.model))}
    </select></label>`;
}

function option(value, words, isChosen) {
  return html`<option value=${value} ?selected=${isChosen}>${words}</option>`;
}

function chooseAssistant(event) {
  conversation.assistantId = event.target.value || null;
  changed();
}

function chooseModel(event) {
  conversation.model = event.target.value || null;
}

function chooseTemporary(event) {
  conversation.expiresAt = event.target.checked ? Math.round(Date.now() / 1000) + TEMPORARY_S : null;
}
