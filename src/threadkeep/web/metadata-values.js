// Metadata between the API's values and what stands in a field. Types are kept: 1 stays a number, "1" a text.

export const LIMITS = { pairs: 16, keyCharacters: 64, valueCharacters: 512 };
export const TYPES = { text: "Text", number: "Number", boolean: "Yes or no", list: "List" };

export function typeOf(value) {
  if (Array.isArray(value)) return "list";
  return typeof value === "string" ? "text" : typeof value;
}

/** What stands in the field for a value; of a list, one element a line. */
export function toField(value) {
  if (Array.isArray(value)) return value.map(elementToLine).join("\n");
  return String(value);
}

/** Return `{value}` or `{problem}`. */
export function fromField(type, field) {
  if (type === "text") return { value: field };
  if (type === "boolean") return { value: field === "true" };
  if (type === "number") return numberFrom(field);
  return { value: field.split("\n").filter((line) => line !== "").map(lineToElement) };
}

/** What the API counts: of a text its characters, else those of its JSON. */
export function lengthOf(value) {
  return [...(typeof value === "string" ? value : JSON.stringify(value))].length;
}

export function problemWith(key, value, keysAbove) {
  if (key === "") return "Give it a key.";
  if ([...key].length > LIMITS.keyCharacters) return `A key has at most ${LIMITS.keyCharacters} characters.`;
  if (keysAbove.includes(key)) return "This key is there already.";
  const length = lengthOf(value);
  if (length <= LIMITS.valueCharacters) return null;
  return `A value has at most ${LIMITS.valueCharacters} characters; this one has ${length}.`;
}

/** What has to be sent to get from one metadata object to another: changed pairs, and null for those that go. */
export function difference(before, after) {
  // Without a prototype, `__proto__` is a key like any other.
  const changes = Object.create(null);
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) changes[key] = null;
  for (const [key, value] of Object.entries(after)) {
    if (!Object.hasOwn(before, key) || JSON.stringify(before[key]) !== JSON.stringify(value)) changes[key] = value;
  }
  return changes;
}

function numberFrom(field) {
  const value = Number(field);
  return field.trim() === "" || !Number.isFinite(value) ? { problem: "This is no number." } : { value };
}

// A text that could be read as something else, or has line breaks, stands in quotes.
function elementToLine(element) {
  if (typeof element !== "string") return String(element);
  return element === "" || /[\n\r]/.test(element) || isJson(element) ? JSON.stringify(element) : element;
}

function lineToElement(line) {
  if (!isJson(line)) return line;
  const value = JSON.parse(line);
  return value === null || typeof value === "object" ? line : value;
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
