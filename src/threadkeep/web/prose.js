// A text that is shown as Markdown and may grow: only the blocks that have changed are made anew.

import { announce } from "./announcer.js";
import { dress } from "./dressing.js";
import { blocksOf } from "./markdown.js";

// A text is drawn again at the earliest after that many times what the last drawing took, so that a long answer
// leaves most of the time to the person who reads it.
const REST = 5;
const REST_MAX_MS = 1000;

/** `element` is where it is shown. */
export class Prose {
  #given = null;
  #text = null;
  #isGrowing = true;
  #drawnText = null;
  #blocks = [];
  #timer = null;
  #mayDrawAt = 0;
  #spokenCount = 0;
  // Whether a formula or code is yet to be dressed.
  #isBare = false;
  // Of a growing text, everything before its last block stays as it is, and is not read again.
  #settled = { count: 0, offset: 0 };

  constructor() {
    this.element = document.createElement("div");
    this.element.className = "prose";
  }

  /** Show `text`. While it grows it is drawn now and then, and said aloud block by block if `isSpoken`. */
  show(given, { isGrowing = false, isSpoken = false } = {}) {
    if (given === this.#given && isGrowing === this.#isGrowing) {
      if (this.#isBare) this.#dress();
      return;
    }
    this.#given = given;
    this.#isGrowing = isGrowing;
    // Lines are counted here as markdown-it counts them.
    this.#text = given.replace(/\r\n?/g, "\n");
    const wait = isGrowing ? this.#mayDrawAt - performance.now() : 0;
    clearTimeout(this.#timer);
    if (wait > 0) this.#timer = setTimeout(() => this.#draw(isGrowing, isSpoken), wait);
    else this.#draw(isGrowing, isSpoken);
  }

  #draw(isGrowing, isSpoken) {
    // At its end a text that grew is read once as a whole: what is defined at its end may count at its beginning.
    const isPartial = !isGrowing && this.#settled.count > 0;
    if (this.#text !== this.#drawnText || isPartial) {
      const begun = performance.now();
      if (isGrowing) this.#grow();
      else this.#drawWhole();
      this.#dress();
      this.#drawnText = this.#text;
      const now = performance.now();
      this.#mayDrawAt = now + Math.min((now - begun) * REST, REST_MAX_MS);
    }
    // The last block is still growing.
    if (isSpoken) this.#speak(isGrowing ? this.#blocks.length - 1 : this.#blocks.length);
  }

  /** The last block of what grows may have code that is not complete. */
  #dress() {
    this.#isBare = dress(this.element, this.#isGrowing ? this.#blocks.at(-1)?.nodes : []);
  }

  #drawWhole() {
    this.#settled = { count: 0, offset: 0 };
    this.#replaceBlocks(0, blocksOf(this.#text));
  }

  #grow() {
    // After a break the server may say the whole text anew.
    if (!this.#text.startsWith(this.#drawnText ?? "")) this.#settled = { count: 0, offset: 0 };
    const { count, offset } = this.#settled;
    const rest = this.#text.slice(offset);
    const fresh = blocksOf(rest, { isGrowing: true });
    this.#replaceBlocks(count, fresh);
    if (fresh.length < 2) return;
    const start = startOfLine(rest, fresh.at(-1).line);
    this.#settled = { count: count + fresh.length - 1, offset: offset + start };
  }

  /** Put `fresh` in place of the blocks behind the first `settled` ones. */
  #replaceBlocks(settled, fresh) {
    const differs = fresh.findIndex((block, index) => block.source !== this.#blocks[settled + index]?.source);
    const shared = differs < 0 ? fresh.length : differs;
    const kept = settled + shared;
    for (const block of this.#blocks.slice(kept)) for (const node of block.nodes) node.remove();
    const added = fresh.slice(shared).map(made);
    for (const block of added) this.element.append(...block.nodes);
    this.#blocks = [...this.#blocks.slice(0, kept), ...added];
  }

  #speak(count) {
    for (; this.#spokenCount < count; this.#spokenCount++) {
      announce(this.#blocks[this.#spokenCount].words);
    }
  }
}

/** Its words are taken before it is dressed: a formula that is typeset says everything twice. */
function made({ source, render }) {
  const nodes = render();
  return { source, nodes, words: nodes.map((node) => node.textContent).join(" ") };
}

function startOfLine(text, line) {
  let start = 0;
  for (let count = 0; count < line; count++) start = text.indexOf("\n", start) + 1;
  return start;
}
