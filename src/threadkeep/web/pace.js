// How often the page asks what is new: often while somebody is here or something changes, less and less otherwise.

const BRISK_MS = 60_000;
const PAUSE_MAX_MS = 30_000;
const SIGNS = ["pointermove", "pointerdown", "keydown", "wheel", "focus"];

let stirredAt = performance.now();
let woken = () => {};

/** How long to wait before asking again, if that is `pause` while somebody is here. */
export function paced(pause) {
  const quietMinutes = Math.floor((performance.now() - stirredAt) / BRISK_MS);
  return Math.min(pause * 2 ** quietMinutes, Math.max(pause, PAUSE_MAX_MS));
}

/** Something has changed, or somebody is here: more may come. */
export function stir() {
  const wasQuiet = performance.now() - stirredAt > BRISK_MS;
  stirredAt = performance.now();
  if (wasQuiet) woken();
}

/** Call `function_` when somebody comes back after a quiet while. */
export function whenSomebodyComes(function_) {
  woken = function_;
  for (const name of SIGNS) addEventListener(name, stir, { capture: true, passive: true });
  document.addEventListener("visibilitychange", () => document.hidden || stir());
}
