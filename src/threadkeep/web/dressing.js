// What is done to an answer's elements when a library is there for it: formulas are typeset, code is coloured.
//
// Whatever a library makes of an answer's words goes through DOMPurify like the words themselves.

import { insideOf } from "./formulas.js";
import { library } from "./libraries.js";
import { changed } from "./store.js";
import DOMPurify from "./vendor/dompurify/purify.es.mjs";

// In one text; what is beyond stays as it was written.
const FORMULAS_MAX = 500;
const ELEMENTS_MAX = 20_000;
// Of one formula.
const FORMULA_ELEMENTS_MAX = 4_000;
const FORMULA_DEPTH_MAX = 150;
const CODE_CHARACTERS_MAX = 50_000;
// Of all texts together: then the page rests as long as it worked, so that others get their turn.
const WORK_MS = 40;
const CACHED_MAX = 300;

const FORMULA_OPTIONS = { output: "htmlAndMathml", trust: false, strict: "ignore", maxExpand: 200, maxSize: 20 };
const FORMULA = {
  ALLOWED_TAGS: [
    "span", "svg", "path", "line", "math", "semantics", "annotation", "menclose", "mfrac", "mi", "mn", "mo", "mover",
    "mpadded", "mphantom", "mroot", "mrow", "ms", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd",
    "mtext", "mtr", "munder", "munderover",
  ],
  ALLOWED_ATTR: [
    "class", "data-style", "aria-hidden", "viewBox", "preserveAspectRatio", "width", "height", "d", "x1", "x2", "y1", "y2",
    "stroke-width", "display", "encoding", "mathvariant", "mathcolor", "mathbackground", "mathsize", "stretchy", "accent",
    "accentunder", "lspace", "rspace", "voffset", "displaystyle", "scriptlevel", "minsize", "maxsize", "columnalign",
    "columnspacing", "columnlines", "rowspacing", "rowlines", "linethickness", "fence", "separator", "form", "notation",
    "movablelimits", "symmetric", "largeop", "depth", "side", "frame", "framespacing",
  ],
  ADD_URI_SAFE_ATTR: ["data-style"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};
const STYLE = /^[a-z-]+:[-#a-z0-9. %]+$/i;
const COLOURED = { ...FORMULA, ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"] };

// The names that highlight.js gives to its languages; test_rich_answers.py compares.
const LANGUAGES = new Set((
  "atom bash c c# c++ cc cjs console cpp cs csharp css cts cxx diff gemspec go golang gql graphql gyp h h++ hh hpp html hxx "
  + "ini ipython irb java javascript js json json5 jsonc jsp jsx kotlin kt ktm kts ktx less lua mak make makefile markdown md "
  + "mjs mk mkd mkdown mm mts obj-c obj-c++ objc objective-c++ objectivec patch perl php php-template pl plist pluto pm "
  + "podspec py pycon python python-repl r rb rs rss ruby rust scss sh shell shellsession sql svg swift thor toml ts tsx "
  + "typescript vb vbnet wasm wsf xhtml xjb xml xsd xsl yaml yml zsh"
).split(" "));

const NO_FORMULA = { fragment: null, elementsCount: 0 };
// Formulas by their source: the last block of a text that grows is made anew again and again.
const typeset = new Map();
let workedMs = 0;
let restsUntil = 0;

/** Dress the elements below `root` that are not yet, but for code in `growing`. Returns whether something is left to do. */
export function dress(root, growing = []) {
  const isBare = dressFormulas(root);
  return dressCode(root, growing) || isBare;
}

function dressFormulas(root) {
  const formulas = [...root.querySelectorAll('[data-formula="inline"], [data-formula="display"]')];
  const katex = formulas.length > 0 && library("katex");
  if (!katex) return formulas.length > 0;
  let count = root.querySelectorAll(".formula").length;
  let elementsCount = root.querySelectorAll(".formula *").length;
  let isLeft = false;
  for (const element of formulas) {
    const source = element.textContent;
    if (++count > FORMULAS_MAX || elementsCount > ELEMENTS_MAX) delete element.dataset.formula;
    else if (typeset.has(source) || mayWork()) elementsCount += putFormula(element, source, katex);
    else isLeft = true;
  }
  return isLeft;
}

/** Returns how many elements the formula consists of: none, if it stays as it was written. */
function putFormula(element, source, katex) {
  const isDisplay = element.dataset.formula === "display";
  delete element.dataset.formula;
  if (typeset.size > CACHED_MAX) typeset.clear();
  if (!typeset.has(source)) typeset.set(source, work(() => fragmentOf(source, isDisplay, katex)));
  const { fragment, elementsCount } = typeset.get(source);
  if (fragment === null) return 0;
  element.replaceChildren(fragment.cloneNode(true));
  element.classList.add("formula");
  element.dataset.source = source;
  element.dir = "ltr";
  if (isDisplay) makeReachable(element);
  return elementsCount;
}

/** Return what a formula looks like, and how many elements that are; null if it is none or too large a one. */
function fragmentOf(source, displayMode, katex) {
  let html;
  try {
    html = katex.renderToString(insideOf(source), { ...FORMULA_OPTIONS, displayMode });
  } catch {
    // KaTeX raises errors of its own, and the engine's for what is nested too deep.
    return NO_FORMULA;
  }
  // The page's policy takes styles from its own code only, and these are few and plain.
  const fragment = DOMPurify.sanitize(html.replaceAll(' style="', ' data-style="'), FORMULA);
  const { elementsCount, depth } = sizeOf(fragment);
  if (elementsCount > FORMULA_ELEMENTS_MAX || depth > FORMULA_DEPTH_MAX) return NO_FORMULA;
  for (const styled of fragment.querySelectorAll("[data-style]")) applyStyle(styled);
  return { fragment, elementsCount };
}

function sizeOf(fragment) {
  let elementsCount = 0;
  let depth = 0;
  for (let level = [...fragment.children]; level.length > 0; level = level.flatMap(({ children }) => [...children])) {
    elementsCount += level.length;
    depth++;
  }
  return { elementsCount, depth };
}

function mayWork() {
  return performance.now() >= restsUntil;
}

/** Do a piece of work; from time to time the page rests afterwards, and is drawn again then. */
function work(act) {
  const begun = performance.now();
  const made = act();
  const now = performance.now();
  workedMs += now - begun;
  if (workedMs > WORK_MS) {
    restsUntil = now + workedMs;
    setTimeout(changed, workedMs);
    workedMs = 0;
  }
  return made;
}

function applyStyle(element) {
  const parts = element.dataset.style.split(";").filter((part) => STYLE.test(part));
  for (const part of parts) element.style.setProperty(...part.split(":"));
  delete element.dataset.style;
}

/** What may scroll must be reachable by keyboard. */
function makeReachable(element) {
  element.classList.add("display");
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", "Formula");
}

function dressCode(root, growing) {
  const isComplete = (code) => !growing.some((node) => node.contains(code));
  const codes = [...root.querySelectorAll("pre[data-language]")].filter(isComplete);
  for (const code of codes) if (!isColourable(code)) delete code.dataset.language;
  const rest = codes.filter(({ dataset }) => dataset.language !== undefined);
  const highlight = rest.length > 0 && library("highlight");
  if (highlight) while (rest.length > 0 && mayWork()) work(() => colour(rest.shift(), highlight));
  return rest.length > 0;
}

function isColourable(code) {
  return LANGUAGES.has(code.dataset.language.toLowerCase()) && code.textContent.length <= CODE_CHARACTERS_MAX;
}

function colour(pre, highlight) {
  const { language } = pre.dataset;
  delete pre.dataset.language;
  const code = pre.querySelector("code");
  const { value } = highlight.highlight(code.textContent, { language, ignoreIllegals: true });
  code.replaceChildren(DOMPurify.sanitize(value, COLOURED));
}
