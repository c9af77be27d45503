// The right half while no thread is open, or while what shows threads is on its way.

import { icon } from "./icons.js";
import { html } from "./lit.js";
import { session } from "./session.js";

export function welcome() {
  return frame(html`<img src="web/icon.svg" alt="" width="56" height="56">
    <h1>Pick up a thread</h1>
    <p>Choose one on the left, or begin a new one. <kbd>?</kbd> lists the keyboard's shortcuts.</p>
    <a class="button" href=${`#/${encodeURIComponent(session.organization.id)}/new`}>${icon("add")} New thread</a>`);
}

export function comingView() {
  return frame(html`<div role="status"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>
    <p>Loading…</p></div>`);
}

/** The server is away, or has another version of the page by now: loading it anew helps against both. */
export function missingView() {
  return frame(html`<div role="alert"><h2>This part of the page could not be loaded</h2>
    <p>The server cannot be reached, or it has a newer page. What you were writing is kept.</p></div>
    <button class="button" @click=${() => location.reload()}>Load the page again</button>`);
}

function frame(inside) {
  return html`<section class="conversation empty-page" aria-label="Conversation">
    <div class="substitute">${inside}</div></section>`;
}
