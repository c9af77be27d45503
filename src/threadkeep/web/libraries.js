// Libraries that few answers need: each is loaded when the first answer is shown that needs it.

import { changed } from "./store.js";

const TRY_AGAIN_MS = 10_000;
const FONTS = ["KaTeX_Main", "italic 1em KaTeX_Math", "KaTeX_Size1"];

const LOADERS = { katex: loadKatex, highlight: loadHighlight };
const loaded = new Map();

/** Return the library if it is here; else have it loaded, and the page drawn again when it has come. */
export function library(name) {
  if (!loaded.has(name)) {
    loaded.set(name, null);
    // Without it formulas and code are shown as they were written.
    LOADERS[name]().then((found) => loaded.set(name, found), () => setTimeout(() => loaded.delete(name), TRY_AGAIN_MS))
      .finally(changed);
  }
  return loaded.get(name);
}

async function loadKatex() {
  const isStyled = new Promise((done, failed) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = "web/vendor/katex/katex.min.css";
    link.onload = done;
    link.onerror = () => failed(link.remove());
    document.head.append(link);
  });
  await Promise.all([import("./vendor/katex/katex.min.js"), isStyled]);
  // With its letters here, a formula has its size at once.
  await Promise.allSettled(FONTS.map((font) => document.fonts.load(font.includes(" ") ? font : `1em ${font}`)));
  return globalThis.katex;
}

async function loadHighlight() {
  return (await import("./vendor/highlight/highlight.min.js")).default;
}
