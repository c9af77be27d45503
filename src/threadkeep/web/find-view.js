// The bar to find in the open thread, and the marks on what was found.

import { conversation } from "./conversation.js";
import { isDialogOpen } from "./dialogs.js";
import { closeFind, find, finding, folded, goOn, openFind, stopFinding, step } from "./find.js";
import { icon } from "./icons.js";
import { html, nothing } from "./lit.js";
import { messagesArea, rowOf } from "./reader.js";

// Beyond this many, marks help nobody.
const MARKS_MAX = 1000;

document.addEventListener("keydown", (event) => {
  const isFind = event.key === "f" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
  // Pressed once more, it is the browser's own.
  if (!isFind || isDialogOpen() || event.target.id === "find" || conversation.status !== "ready") return;
  event.preventDefault();
  openFind();
});

/** `ways.show(id)` and `ways.start()` bring the reader to a message. */
export function findBar(ways) {
  if (!finding.isOpen) return nothing;
  const show = (id) => ways.show(id, () => scrollToMark(id));
  const submit = (event) => {
    event.preventDefault();
    const words = event.target.querySelector("input").value;
    if (folded(words.trim()) === finding.words) step(1, show);
    else find(words, show);
  };
  const keys = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") closeFind();
    if (event.key === "Enter" && event.shiftKey) {
      event.preventDefault();
      step(-1, show);
    }
  };
  const hasHits = finding.hits.length > 0;
  return html`<form class="find" role="search" aria-label="Find in the thread" @submit=${submit} @keydown=${keys}>
    <input id="find" type="text" aria-label="Find in the thread" placeholder="Find in the thread" dir="auto"
      enterkeyhint="search" autocomplete="off" aria-describedby="find-state">
    <span id="find-state" class="faint" role="status">${state()}</span>
    ${finding.isRunning ? textButton("Stop", stopFinding) : nothing}
    ${!finding.isRunning && finding.cursor !== null ? textButton("Go on", () => goOn(show)) : nothing}
    ${button("up", "Older", () => step(1, show), hasHits)} ${button("down", "Newer", () => step(-1, show), hasHits)}
    ${textButton("First message", ways.start)}
    ${button("close", "Close the search", closeFind)}
  </form>`;
}

/** After each drawing: mark what was found in the rows that are in the document. */
export function markFound() {
  if (!globalThis.CSS?.highlights) return;
  CSS.highlights.clear();
  if (!finding.isOpen || finding.words === "") return;
  const here = rowOf(finding.hits[finding.current] ?? "");
  const ranges = conversation.messages.map(({ id }) => rowOf(id)).filter(Boolean).flatMap(rangesIn).slice(0, MARKS_MAX);
  const isHere = (range) => here !== null && here.contains(range.startContainer);
  CSS.highlights.set("found", new Highlight(...ranges.filter((range) => !isHere(range))));
  CSS.highlights.set("found-here", new Highlight(...ranges.filter(isHere)));
}

function state() {
  const { words, hits, current, readCount, isRunning, cursor, error } = finding;
  if (words === "") return "Enter searches all messages";
  const count = hits.length === 0 ? (isRunning ? "Nothing yet" : "Nothing found") : `${current + 1} of ${hits.length}`;
  const total = Math.max(conversation.thread?.messageCount ?? 0, readCount);
  const progress = isRunning || cursor !== null ? `, ${readCount.toLocaleString()} of ${total.toLocaleString()} read` : "";
  return `${count}${progress}${error ? `. ${error.message}` : ""}`;
}

function textButton(words, act) {
  return html`<button type="button" class="button quiet small" @click=${act}>${words}</button>`;
}

function button(name, label, act, isEnabled = true) {
  return html`<button type="button" class="icon-button" aria-label=${label} title=${label} ?disabled=${!isEnabled}
    @click=${act}>${icon(name)}</button>`;
}

/** Open what is folded around the first mark of a message, and bring that into sight. */
function scrollToMark(id) {
  const row = rowOf(id);
  const [range] = row ? rangesIn(row) : [];
  const fold = range?.startContainer.parentElement.closest("details");
  if (fold) fold.open = true;
  if (!range) return row?.scrollIntoView({ block: "center" });
  const area = messagesArea();
  const { top, height } = area.getBoundingClientRect();
  area.scrollTop += range.getBoundingClientRect().top - top - height / 3;
}

function rangesIn(row) {
  const { words } = finding;
  const ranges = [];
  const texts = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    const text = folded(node.data);
    // Where folding changes the length, places would be wrong.
    if (text.length !== node.data.length || node.parentElement.closest(".message-tools, .code-head, .katex-html")) continue;
    for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + words.length)) {
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, at + words.length);
      ranges.push(range);
    }
  }
  return ranges;
}
