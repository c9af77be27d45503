// The page's state, and the one way to say that it has changed.
//
// Every module keeps its own part in a plain object and calls `changed()`; the whole page is then drawn once, before
// the next frame. lit-html touches only what differs.

// A window that is covered or hidden gets no frames, but its title and its announcements still change.
const DRAWN_AT_THE_LATEST_MS = 200;

let draw = () => {};
let frame = null;
let timer = null;
const waiting = [];

/** Say how the page is drawn; done once, by app.js. */
export function drawWith(function_) {
  draw = function_;
}

/** Draw the page soon: once, however often this is called before. */
export function changed() {
  if (frame !== null) return;
  frame = requestAnimationFrame(drawNow);
  timer = setTimeout(drawNow, DRAWN_AT_THE_LATEST_MS);
}

/** Draw the page soon; the promise is kept when that is done. */
export function drawn() {
  changed();
  return new Promise((done) => waiting.push(done));
}

/** Draw at once, for code that moves the focus into what it has just made. */
export function drawNow() {
  cancelAnimationFrame(frame);
  clearTimeout(timer);
  frame = null;
  draw();
  for (const done of waiting.splice(0)) done();
}
