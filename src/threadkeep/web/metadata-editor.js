// Tags and metadata of a thread, edited as a form and saved as what has changed.

import { icon } from "./icons.js";
import { html, nothing } from "./lit.js";
import { difference, fromField, lengthOf, LIMITS, problemWith, toField, TYPES, typeOf } from "./metadata-values.js";

let nextRow = 1;

/** Make an editor of `metadata`; `save(changes)` returns whether that worked, `redraw` draws it again. */
export function metadataEditor(metadata, isReadOnly, save, redraw) {
  const editor = { before: metadata, rows: [], tags: null, wasSaved: false, isSaving: false };
  reset(editor, metadata);
  const touch = (change) => {
    change();
    editor.wasSaved = false;
    redraw();
  };
  const submit = async (event) => {
    event.preventDefault();
    editor.isSaving = true;
    redraw();
    const after = collected(editor);
    if (await save(difference(editor.before, after))) Object.assign(editor, { before: after, wasSaved: true });
    editor.isSaving = false;
    redraw();
  };
  return () => draw(editor, isReadOnly, touch, submit);
}

function reset(editor, metadata) {
  const { tags } = metadata;
  const areTags = tags === undefined || (Array.isArray(tags) && tags.every((tag) => typeof tag === "string"));
  editor.tags = areTags ? [...(tags ?? [])] : null;
  editor.rows = Object.entries(metadata)
    .filter(([key]) => !(areTags && key === "tags"))
    .map(([key, value]) => ({ number: nextRow++, key, type: typeOf(value), field: toField(value) }));
}

function collected(editor) {
  const pairs = editor.rows.map((row) => [row.key.trim(), fromField(row.type, row.field).value]);
  if (editor.tags !== null && editor.tags.length > 0) pairs.push(["tags", editor.tags]);
  // Without a prototype, `__proto__` is a key like any other.
  const metadata = Object.create(null);
  for (const [key, value] of pairs) metadata[key] = value;
  return metadata;
}

function problemOf(editor, row) {
  const { value, problem } = fromField(row.type, row.field);
  const above = editor.rows.slice(0, editor.rows.indexOf(row)).map((other) => other.key.trim());
  if (editor.tags !== null) above.push("tags");
  return problem ?? problemWith(row.key.trim(), value, above);
}

function draw(editor, isReadOnly, touch, submit) {
  const count = editor.rows.length + (editor.tags?.length ? 1 : 0);
  const tagsTooLong = editor.tags !== null && lengthOf(editor.tags) > LIMITS.valueCharacters;
  const isWrong = tagsTooLong || count > LIMITS.pairs || editor.rows.some((row) => problemOf(editor, row) !== null);
  return html`<form @submit=${submit}><fieldset ?disabled=${isReadOnly || editor.isSaving}>
    ${editor.tags === null ? nothing : tagField(editor, touch, tagsTooLong)}
    <p class="label" id="metadata-label">Metadata <span class="faint">${count} of ${LIMITS.pairs} pairs</span></p>
    ${editor.rows.length === 0 ? emptyNote() : nothing}
    <ul class="pairs" aria-labelledby="metadata-label">${editor.rows.map((row) => pair(editor, row, touch))}</ul>
    <div class="dialog-foot">
      <button type="button" class="button quiet" ?disabled=${count >= LIMITS.pairs}
        @click=${() => touch(() => addRow(editor))}>${icon("add")} Add a pair</button>
      <span class="grow" role="status">${editor.wasSaved ? "Saved." : ""}</span>
      <button class="button" ?disabled=${isWrong}>Save</button>
    </div>
  </fieldset></form>`;
}

function emptyNote() {
  return html`<p class="faint">Pairs that programs and filters use, such as category, priority, source.</p>`;
}

function addRow(editor) {
  editor.rows.push({ number: nextRow++, key: "", type: "text", field: "" });
}

function pair(editor, row, touch) {
  const problem = problemOf(editor, row);
  const isUntouched = row.key === "" && row.field === "";
  const change = (fields) => touch(() => Object.assign(row, fields));
  const remove = () => touch(() => editor.rows.splice(editor.rows.indexOf(row), 1));
  const name = row.key || "new pair";
  const types = Object.entries(TYPES);
  return html`<li class="pair-row">
    <input aria-label="Key" placeholder="Key" dir="auto" .value=${row.key}
      @input=${(event) => change({ key: event.target.value })}>
    <select aria-label=${`Type of ${name}`} @change=${(event) => change(converted(row, event.target.value))}>
      ${types.map(([type, word]) => html`<option value=${type} ?selected=${type === row.type}>${word}</option>`)}</select>
    ${valueField(row, name, change)}
    <button type="button" class="icon-button" aria-label=${`Remove ${name}`} @click=${remove}>${icon("remove")}</button>
    ${problem && !isUntouched ? html`<p class="wrong" role="alert">${problem}</p>` : nothing}
  </li>`;
}

function valueField(row, name, change) {
  const label = `Value of ${name}`;
  const input = (event) => change({ field: event.target.value });
  if (row.type === "boolean") {
    return html`<select aria-label=${label} @change=${input}>
      <option value="true" ?selected=${row.field === "true"}>Yes</option>
      <option value="false" ?selected=${row.field !== "true"}>No</option></select>`;
  }
  if (row.type === "list") {
    return html`<textarea aria-label=${`${label}, one a line`} placeholder="One a line" rows="3" dir="auto"
      .value=${row.field} @input=${input}></textarea>`;
  }
  return html`<input aria-label=${label} placeholder="Value" dir="auto" .value=${row.field} @input=${input}
    inputmode=${row.type === "number" ? "decimal" : "text"}>`;
}

/** The same content as another type, as far as that goes. */
function converted(row, type) {
  if (type === "boolean") return { type, field: row.field === "true" ? "true" : "false" };
  return { type };
}

function tagField(editor, touch, isTooLong) {
  const add = (field) => {
    const given = field.value.split(",").map((word) => word.trim());
    const words = given.filter((word) => word && !editor.tags.includes(word));
    field.value = "";
    touch(() => editor.tags.push(...words));
  };
  const keys = (event) => {
    if ((event.key !== "Enter" && event.key !== ",") || event.isComposing || event.target.value.trim() === "") return;
    event.preventDefault();
    add(event.target);
  };
  const drop = (tag) => touch(() => editor.tags.splice(editor.tags.indexOf(tag), 1));
  const leave = (event) => event.target.value.trim() && add(event.target);
  return html`<p class="label" id="tags-label">Tags</p>
    <ul class="chips" aria-labelledby="tags-label">${editor.tags.map((tag) => html`<li class="chip"><bdi>${tag}</bdi>
      <button type="button" class="icon-button small" aria-label=${`Remove the tag ${tag}`}
        @click=${() => drop(tag)}>${icon("close")}</button></li>`)}</ul>
    <input aria-label="Add a tag" placeholder="Add a tag, then Enter" dir="auto" @keydown=${keys} @blur=${leave}>
    ${isTooLong
      ? html`<p class="wrong" role="alert">All tags together have at most ${LIMITS.valueCharacters} characters.</p>` : nothing}`;
}
