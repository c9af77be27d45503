// What is done to an answer's elements when a library is there for it: formulas are typeset, code is coloured.
//
// Whatever a library makes of an answer's words goes through DOMPurify like the words themselves.

import { insideOf } from "./formulas.js";
import { library } from "./libraries.js";
import { changed } from "./store.js";
import DOMPurify from "./vendor/dompurify/purify.es.mjs";

const FORMULAS_MAX = 500;
const CODE_CHARACTERS_MAX = 50_000;
// Then others get their turn, and the rest is done at the next drawing.
const WORK_MS = 40;

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

// The names that highlight.js gives to its languages; test_vendor.py compares.
const LANGUAGES = new Set((
  "atom bash c c# c++ cc cjs console cpp cs csharp css cts cxx diff gemspec go golang gql graphql gyp h h++ hh hpp html hxx "
  + "ini ipython irb java javascript js json json5 jsonc jsp jsx kotlin kt ktm kts ktx less lua mak make makefile markdown md "
  + "mjs mk mkd mkdown mm mts obj-c obj-c++ objc objective-c++ objectivec patch perl php php-template pl plist pluto pm "
  + "podspec py pycon python python-repl r rb rs rss ruby rust scss sh shell shellsession sql svg swift thor toml ts tsx "
  + "typescript vb vbnet wasm wsf xhtml xjb xml xsd xsl yaml yml zsh"
).split(" "));

/** Dress the elements below `root` that are not yet, but for code in `growing`. Returns whether something is left to do. */
export function dress(root, growing = []) {
  const isComplete = (code) => !growing.some((node) => node.contains(code));
  const codes = [...root.querySelectorAll("pre[data-language]")].filter(isComplete);
  for (const code of codes) if (!isColourable(code)) delete code.dataset.language;
  const jobs = [
    [[...root.querySelectorAll('[data-formula="inline"], [data-formula="display"]')], "katex", typeset],
    [codes.filter((code) => code.dataset.language), "highlight", colour],
  ];
  const begun = performance.now();
  let isLeft = false;
  for (const [elements, name, act] of jobs) {
    const found = elements.length > 0 && library(name);
    if (found === null) isLeft = true;
    if (!found) continue;
    for (const element of elements) {
      if (performance.now() - begun > WORK_MS) {
        isLeft = true;
        changed();
        break;
      }
      act(element, found, root);
    }
  }
  return isLeft;
}

function typeset(element, katex, root) {
  const isDisplay = element.dataset.formula === "display";
  const source = element.textContent;
  delete element.dataset.formula;
  if (root.querySelectorAll(".formula").length >= FORMULAS_MAX) return;
  let html;
  try {
    html = katex.renderToString(insideOf(source), { ...FORMULA_OPTIONS, displayMode: isDisplay });
  } catch {
    // No formula, or too large a one: it stays as it was written. KaTeX raises errors of its own, and the engine's.
    return;
  }
  // The page's policy takes styles from its own code only, and these are few and plain.
  const fragment = DOMPurify.sanitize(html.replaceAll(' style="', ' data-style="'), FORMULA);
  for (const styled of fragment.querySelectorAll("[data-style]")) applyStyle(styled);
  element.replaceChildren(fragment);
  element.classList.add("formula");
  element.dataset.source = source;
  element.dir = "ltr";
  if (isDisplay) makeReachable(element);
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
