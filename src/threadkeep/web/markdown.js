// The one place where a text becomes elements: Markdown, made by markdown-it, cleaned by DOMPurify.
//
// Raw HTML in a text is shown as text. What comes out may hold the tags and attributes listed here and nothing else;
// pictures become links, so that reading a message never calls another host.

import { copy } from "./clipboard.js";
import { findFormulas } from "./formulas.js";
import { dressNotes, findNotes, noteNames, switchNotes } from "./notes.js";
import DOMPurify from "./vendor/dompurify/purify.es.mjs";
import MarkdownIt from "./vendor/markdown-it/markdown-it.esm.min.mjs";

const TAGS = [
  "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
  "span", "strong", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
];
const PLAIN = [
  "title", "start", "data-align", "data-formula", "data-language", "data-note", "data-notes", "data-task",
];
const CLEAN = {
  ALLOWED_TAGS: TAGS,
  ALLOWED_ATTR: ["href", ...PLAIN],
  ADD_URI_SAFE_ATTR: PLAIN,
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};
const OWN_DIRECTION = "p, h1, h2, h3, h4, h5, h6, td, th";
const CONTAINERS = "ul, ol, li, blockquote, table";

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true, maxNesting: 40 });
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
markdown.validateLink = (url) => safeUrl(url) !== null || url.startsWith("mailto:");
markdown.renderer.rules.image = renderImage;
markdown.renderer.rules.fence = renderFence;
for (const cell of ["th_open", "td_open"]) markdown.renderer.rules[cell] = renderCell;

findFormulas(markdown);
findNotes(markdown);

/** Return the address if it is one of the web, else null. */
export function safeUrl(text) {
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/** Return the top-level blocks of a text as `{source, line, render}`: equal sources look equal; `line` is its first. */
export function blocksOf(text, { isGrowing = false } = {}) {
  const context = { isGrowing };
  switchNotes(markdown, !isGrowing);
  const tokens = markdown.parse(text, context);
  const lines = text.split("\n");
  // A definition of a link or a note that comes later changes what was before it.
  const definitions = Object.keys(context.references ?? {}).join("\n") + noteNames(context);
  const blocks = [];
  for (let start = 0; start < tokens.length; ) {
    const end = endOfBlock(tokens, start);
    const [from, to] = tokens[start].map ?? [0, lines.length];
    const own = tokens.slice(start, end);
    const source = lines.slice(from, to).join("\n") + definitions;
    blocks.push({ source, line: from, render: () => toElements(own, context) });
    start = end;
  }
  return blocks;
}

function endOfBlock(tokens, start) {
  let depth = 0;
  for (let index = start; index < tokens.length; index++) {
    depth += tokens[index].nesting;
    if (depth <= 0) return index + 1;
  }
  return tokens.length;
}

function toElements(tokens, context) {
  const fragment = DOMPurify.sanitize(markdown.renderer.render(tokens, markdown.options, context), CLEAN);
  for (const link of fragment.querySelectorAll("a")) {
    link.rel = "noopener noreferrer";
    link.target = "_blank";
    link.title = link.href;
  }
  for (const element of fragment.querySelectorAll(CONTAINERS)) giveDirection(element);
  // Each paragraph has a direction of its own, and its control characters end with it.
  for (const element of fragment.querySelectorAll(OWN_DIRECTION)) element.dir = "auto";
  for (const block of fragment.querySelectorAll("pre")) addCodeHead(block);
  for (const table of fragment.querySelectorAll("table")) makeScrollable(table);
  dressNotes(fragment);
  return [...fragment.childNodes];
}

/** Marks, bars and columns stand where the words begin. `auto` would leave out what is inside and has a direction. */
function giveDirection(element) {
  element.dir = "auto";
  element.dir = element.matches(":dir(rtl)") ? "rtl" : "ltr";
}

function addCodeHead(block) {
  const head = document.createElement("div");
  head.className = "code-head";
  const language = document.createElement("span");
  language.textContent = block.dataset.language ?? "";
  const button = document.createElement("button");
  button.className = "button quiet small";
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy code");
  const text = block.textContent;
  button.addEventListener("click", () => copy(text, "Code"));
  head.append(language, button);
  const frame = document.createElement("div");
  frame.className = "code";
  block.replaceWith(frame);
  block.dir = "ltr";
  // What scrolls must be reachable by keyboard.
  block.tabIndex = 0;
  block.setAttribute("role", "region");
  block.setAttribute("aria-label", "Code");
  frame.append(head, block);
}

function makeScrollable(table) {
  const frame = document.createElement("div");
  frame.className = "table";
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", "Table");
  table.replaceWith(frame);
  frame.append(table);
}

function renderImage(tokens, index) {
  const token = tokens[index];
  const text = markdown.utils.escapeHtml(token.content || "picture");
  if (isInLink(tokens, index)) return text;
  return `<a href="${markdown.utils.escapeHtml(token.attrGet("src"))}">${text} (picture)</a>`;
}

function isInLink(tokens, index) {
  let depth = 0;
  for (const token of tokens.slice(0, index)) {
    if (token.type === "link_open") depth++;
    if (token.type === "link_close") depth--;
  }
  return depth > 0;
}

function renderFence(tokens, index) {
  const { escapeHtml } = markdown.utils;
  const { info, content } = tokens[index];
  const [language] = info.trim().split(/\s+/);
  return `<pre data-language="${escapeHtml(language.slice(0, 32))}"><code>${escapeHtml(content)}</code></pre>\n`;
}

// Alignment comes as a style, which the page's policy does not allow.
function renderCell(tokens, index, options, _context, renderer) {
  const align = /text-align:(left|right|center)/.exec(tokens[index].attrGet("style") ?? "")?.[1];
  tokens[index].attrs = align ? [["data-align", align]] : null;
  return renderer.renderToken(tokens, index, options);
}
