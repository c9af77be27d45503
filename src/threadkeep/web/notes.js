// Task lists and footnotes of an answer.
//
// Nothing gets an id or an address: a note is found by its number within its text, so no two texts can meet.

import footnotes from "./vendor/markdown-it-footnote/index.mjs";

const RULES = ["footnote_def", "footnote_inline", "footnote_ref", "footnote_tail"];
const TASK = /^\[([ xX])\](?=\s)/;

/** Teach a MarkdownIt footnotes and tasks. */
export function findNotes(markdown) {
  markdown.use(footnotes);
  const numberOf = (token) => token.meta.id + 1;
  Object.assign(markdown.renderer.rules, {
    footnote_ref: (tokens, index) => `<sup data-note="${numberOf(tokens[index])}"></sup>`,
    footnote_block_open: () => '<ol data-notes="">',
    footnote_block_close: () => "</ol>",
    footnote_open: (tokens, index) => `<li data-note="${numberOf(tokens[index])}">`,
    footnote_close: () => "</li>",
    footnote_anchor: () => "",
  });
  markdown.core.ruler.after("inline", "tasks", findTasks);
  markdown.renderer.rules.task = (tokens, index) => `<span data-task="${tokens[index].meta}"></span>`;
}

/** A note is at the end of a text, so a text that grows has none yet. */
export function switchNotes(markdown, isOn) {
  const rulers = [markdown.block.ruler, markdown.inline.ruler, markdown.core.ruler];
  for (const ruler of rulers) ruler[isOn ? "enable" : "disable"](RULES, true);
}

/** What decides how notes look besides their own text. */
export function noteNames({ footnotes: found }) {
  return (found?.list ?? []).map(({ label }) => label ?? "").join("\n");
}

/** Make boxes and buttons of what stands for them. */
export function dressNotes(fragment) {
  for (const mark of fragment.querySelectorAll("[data-task]")) mark.replaceWith(taskBox(mark.dataset.task === "done"));
  for (const mark of fragment.querySelectorAll("sup[data-note]")) mark.append(noteButton(mark.dataset.note));
  for (const list of fragment.querySelectorAll("ol[data-notes]")) {
    list.setAttribute("role", "doc-endnotes");
    list.setAttribute("aria-label", "Footnotes");
  }
  for (const note of fragment.querySelectorAll("li[data-note]")) {
    note.tabIndex = -1;
    (note.lastElementChild?.tagName === "P" ? note.lastElementChild : note).append(" ", backButton(note.dataset.note));
  }
}

function findTasks(state) {
  const { tokens } = state;
  for (let index = 2; index < tokens.length; index++) {
    const isFirst = tokens[index].type === "inline" && tokens[index - 2].type === "list_item_open";
    const [first] = isFirst ? tokens[index].children : [];
    const found = first?.type === "text" ? TASK.exec(first.content) : null;
    if (!found) continue;
    first.content = first.content.slice(3);
    const mark = new state.Token("task", "", 0);
    mark.meta = found[1] === " " ? "open" : "done";
    tokens[index].children.unshift(mark);
  }
}

function taskBox(isDone) {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.disabled = true;
  box.checked = isDone;
  box.setAttribute("aria-label", isDone ? "Done" : "To do");
  return box;
}

function noteButton(number) {
  return button(number, `Footnote ${number}`, `li[data-note="${number}"]`);
}

function backButton(number) {
  return button("↩\ufe0e", `Back to where footnote ${number} stands`, `sup[data-note="${number}"] button`);
}

function button(words, label, target) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "note";
  element.textContent = words;
  element.setAttribute("aria-label", label);
  element.addEventListener("click", () => element.closest(".prose").querySelector(target)?.focus());
  return element;
}
