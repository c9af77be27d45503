// Formulas in a text, found before Markdown reads it: `\(…\)`, `\[…\]`, `$$…$$`, and `$…$` where it is no price.
//
// Here they become elements that show their source; dressing.js typesets them.

// What is longer stays source: a formula of that length takes a moment already.
const CHARACTERS_MAX = 1500;

const KINDS = [
  { open: "\\(", close: "\\)", look: "inline" },
  { open: "\\[", close: "\\]", look: "display" },
  { open: "$$", close: "$$", look: "display" },
];
const WORD = /[\p{L}\p{N}]/u;
const IS_FORMULA = /[\\^_{}=<>]|^\p{L}/u;

/** Teach a MarkdownIt to find formulas. */
export function findFormulas(markdown) {
  markdown.inline.ruler.before("escape", "formula", inline);
  const alt = ["paragraph", "reference", "blockquote", "list"];
  markdown.block.ruler.before("fence", "formula_block", block, { alt });
  const render = (tag) => (tokens, index) => {
    const { content, meta } = tokens[index];
    return `<${tag} data-formula="${meta}">${markdown.utils.escapeHtml(content)}</${tag}>`;
  };
  markdown.renderer.rules.formula = render("span");
  markdown.renderer.rules.formula_block = render("p");
}

/** What stands between a formula's signs. */
export function insideOf(source) {
  const length = /^(?:\\|\$\$)/.test(source) ? 2 : 1;
  return source.slice(length, -length);
}

function inline(state, silent) {
  const { src, pos, posMax } = state;
  const kind = KINDS.find(({ open }) => src.startsWith(open, pos));
  if (!kind && src[pos] !== "$") return false;
  const rest = src.slice(pos, Math.min(posMax, pos + CHARACTERS_MAX));
  const end = kind ? endOf(rest, kind) : endOfDollars(rest, src[pos - 1]);
  if (end < 0 && !kind) return false;
  // Without an end they are signs like others, and keep their backslash.
  const length = end < 0 ? 2 : end;
  if (!silent) {
    const token = state.push(end < 0 ? "text" : "formula", "", 0);
    token.content = rest.slice(0, length);
    token.meta = kind?.look ?? "inline";
  }
  state.pos += length;
  return true;
}

function endOf(text, { close }) {
  const end = text.indexOf(close, 2);
  // Code is found first.
  return end < 0 || text.slice(2, end).trim() === "" || text.slice(2, end).includes("`") ? -1 : end + 2;
}

/** As in Pandoc: no space inside of the signs, no letter or digit outside; and what begins like a price is one. */
function endOfDollars(text, before) {
  if (before && (WORD.test(before) || before === "$")) return -1;
  const [found, inside] = /^\$([^\s$`](?:[^$`\n\\]|\\.)*)\$/su.exec(text) ?? [];
  if (!found || /\s$/.test(inside) || !IS_FORMULA.test(inside)) return -1;
  const after = text[found.length];
  return after && (WORD.test(after) || after === "$") ? -1 : found.length;
}

function block(state, startLine, endLine, silent) {
  const start = state.bMarks[startLine] + state.tShift[startLine];
  if (state.sCount[startLine] - state.blkIndent >= 4) return false;
  const kind = KINDS.find(({ open, look }) => look === "display" && state.src.startsWith(open, start));
  if (!kind) return false;
  let found = linesOf(state, startLine, endLine, kind);
  // While a text grows the end may be yet to come: what is there is shown as it is.
  if (!found && state.env.isGrowing) found = { last: endLine - 1, isOpen: true };
  if (!found) return false;
  if (silent) return true;
  const token = state.push("formula_block", "", 0);
  token.content = state.getLines(startLine, found.last + 1, state.blkIndent, false).trim();
  token.meta = found.isOpen ? "open" : kind.look;
  token.map = [startLine, found.last + 1];
  token.block = true;
  state.line = found.last + 1;
  return true;
}

/** The line that ends a formula, which nothing follows. */
function linesOf(state, startLine, endLine, { close }) {
  let from = state.bMarks[startLine] + state.tShift[startLine] + 2;
  const start = from;
  for (let line = startLine; line < endLine; line++) {
    const isOutside = line > startLine && state.sCount[line] < state.blkIndent && !state.isEmpty(line);
    if (isOutside || state.eMarks[line] - start > CHARACTERS_MAX) return null;
    const text = state.src.slice(from, state.eMarks[line]);
    const end = text.indexOf(close);
    if (end >= 0) return text.slice(end + 2).trim() === "" && state.src.slice(start, from + end).trim() ? { last: line } : null;
    from = state.bMarks[line + 1];
  }
  return null;
}
