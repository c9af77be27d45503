// Search and filters above the list.

import { assistants, refreshAssistants } from "./assistants.js";
import { icon } from "./icons.js";
import { html, live, nothing } from "./lit.js";
import { seesAllThreads } from "./session.js";
import { changed } from "./store.js";
import { filterBy, list } from "./thread-list.js";

const TYPING_MS = 250;
const PAIRS_MAX = 8;
const STATES = { "": "Open and locked", open: "Open", locked: "Locked", archived: "Archived", all: "All" };

const panel = { isOpen: false };
let typing = null;

export function filters() {
  const count = activeCount();
  return html`<search class="filters">
    <div class="search">
      ${icon("search")}
      <input id="search" type="search" aria-label="Search in titles" placeholder="Search in titles"
        .value=${live(list.filters.title)} @input=${search} @keydown=${leave}>
      <button class="icon-button ${count ? "active" : ""}" title="Filters" aria-controls="filter-panel"
        aria-expanded=${panel.isOpen ? "true" : "false"} aria-label=${count ? `Filters, ${count} in use` : "Filters"}
        @click=${toggle}>${icon("filter")}</button>
    </div>
    <div id="filter-panel" class="filter-panel" ?hidden=${!panel.isOpen}>${panel.isOpen ? fields() : nothing}</div>
  </search>`;
}

function activeCount() {
  const { state, assistantId, metadata, showsHidden, onlyMine } = list.filters;
  return [state, assistantId, showsHidden, onlyMine].filter(Boolean).length + metadata.length;
}

function fields() {
  const { state, assistantId, metadata, showsHidden, onlyMine } = list.filters;
  return html`
    <label class="field">State
      <select @change=${(event) => filterBy({ state: event.target.value })}>
        ${Object.entries(STATES).map(([value, word]) => option(value, word, state))}
      </select></label>
    <label class="field">Assistant
      <select @change=${(event) => filterBy({ assistantId: event.target.value })}>
        ${option("", "Any", assistantId)}
        ${assistants.all.map(({ id, name }) => option(id, name, assistantId))}
      </select></label>
    <form class="pair" @submit=${addPair}>
      <label class="field">Metadata key<input name="key" placeholder="category" autocomplete="off"></label>
      <label class="field">Value<input name="value" placeholder="billing" autocomplete="off"></label>
      <button class="button quiet small" ?disabled=${metadata.length >= PAIRS_MAX}>Add</button>
    </form>
    ${metadata.length === 0 ? nothing : html`<ul class="chips">${metadata.map(chip)}</ul>`}
    <label class="check"><input type="checkbox" .checked=${live(showsHidden)}
      @change=${(event) => filterBy({ showsHidden: event.target.checked })}> Show hidden</label>
    ${seesAllThreads() ? html`<label class="check"><input type="checkbox" .checked=${live(onlyMine)}
      @change=${(event) => filterBy({ onlyMine: event.target.checked })}> Only mine</label>` : nothing}`;
}

function option(value, word, chosen) {
  return html`<option value=${value} ?selected=${value === chosen}>${word}</option>`;
}

function chip(pair) {
  const remove = () => filterBy({ metadata: list.filters.metadata.filter((other) => other !== pair) });
  return html`<li class="chip"><bdi>${pair.key} = ${pair.value}</bdi>
    <button class="icon-button small" aria-label=${`Remove ${pair.key} = ${pair.value}`}
      @click=${remove}>${icon("close")}</button></li>`;
}

function addPair(event) {
  event.preventDefault();
  const { key, value } = event.target.elements;
  if (key.value.trim() === "") return key.focus();
  const pair = { key: key.value.trim(), value: value.value };
  event.target.reset();
  filterBy({ metadata: [...list.filters.metadata, pair] });
}

function search(event) {
  const title = event.target.value;
  list.filters.title = title;
  clearTimeout(typing);
  typing = setTimeout(() => filterBy({ title }), TYPING_MS);
}

function leave(event) {
  if (event.key === "Escape" && event.target.value === "") event.target.blur();
}

function toggle() {
  panel.isOpen = !panel.isOpen;
  if (panel.isOpen) refreshAssistants();
  changed();
}
