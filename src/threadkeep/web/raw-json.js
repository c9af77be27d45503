// JSON that is passed on as it came: read and written again, 1.0 would become 1 and long numbers would be rounded.

const STRING = /"(?:[^"\\]|\\.)*"/y;
const INSIDE = /[^"[\]{},]+/y;

/** The items of an array, each as its own text. */
export function itemsOf(text) {
  return members(text).map((member) => member.trim());
}

/** The fields of an object: their texts by their names, in order. */
export function fieldsOf(text) {
  const fields = members(text).map((member) => {
    const name = matched(STRING, member, member.indexOf('"'));
    return [JSON.parse(name), member.slice(member.indexOf(name) + name.length).replace(/^\s*:\s*/, "").trim()];
  });
  return new Map(fields);
}

/** What stands between the commas of an array or object. */
function members(text) {
  const found = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; ) {
    const sign = text[at];
    if (sign === '"') {
      at += matched(STRING, text, at).length;
      continue;
    }
    const isOpening = sign === "[" || sign === "{";
    const isClosing = sign === "]" || sign === "}";
    if (isOpening && ++depth === 1) start = at + 1;
    else if (isClosing ? --depth === 0 : sign === "," && depth === 1) {
      if (sign === "," || found.length > 0 || text.slice(start, at).trim() !== "") found.push(text.slice(start, at));
      start = at + 1;
    }
    at += isOpening || isClosing || sign === "," ? 1 : matched(INSIDE, text, at).length;
  }
  return found;
}

function matched(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text)[0];
}
