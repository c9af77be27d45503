// Dialogs: the browser's own, which keep the focus inside and give it back.

import { html, render } from "./lit.js";
import { icon } from "./icons.js";

/**
 * Open a dialog; the promise is kept with what `close` was called with, or null when it was left.
 *
 * `body(close, redraw)` returns the template inside.
 */
export function openDialog(title, body, { isWide = false } = {}) {
  const dialog = document.createElement("dialog");
  dialog.className = isWide ? "dialog wide" : "dialog";
  dialog.setAttribute("aria-labelledby", "dialog-title");
  document.body.append(dialog);
  return new Promise((done) => {
    let result = null;
    const close = (value = null) => {
      result = value;
      dialog.close();
    };
    const redraw = () => dialog.isConnected && render(frame(title, body(close, redraw), close), dialog);
    dialog.addEventListener("click", (event) => event.target === dialog && close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(result);
    });
    redraw();
    dialog.showModal();
  });
}

/** Ask before something that cannot be taken back. */
export function confirm(title, sentence, label) {
  return openDialog(title, (close) => html`
    <p>${sentence}</p>
    <div class="dialog-foot">
      <button class="button quiet" autofocus @click=${() => close(false)}>Cancel</button>
      <button class="button danger" @click=${() => close(true)}>${label}</button>
    </div>`);
}

/** Leave all dialogs: what they are about is no longer on the screen. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

export function isDialogOpen() {
  return document.querySelector("dialog[open]") !== null;
}

function frame(title, body, close) {
  return html`<div class="dialog-inside">
    <header class="dialog-head">
      <h2 id="dialog-title">${title}</h2>
      <button class="icon-button" aria-label="Close" @click=${() => close()}>${icon("close")}</button>
    </header>
    ${body}
  </div>`;
}
