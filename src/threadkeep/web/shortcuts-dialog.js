// The dialog that lists the keyboard's shortcuts, and whether single letters are some.

import { openDialog } from "./dialogs.js";
import { html } from "./lit.js";
import { deviceStorage } from "./storage.js";

const LISTED = [
  ["n", "New thread"],
  ["/", "Search in titles"],
  ["j  k  ↓  ↑", "Down and up in the list"],
  ["Enter", "Open the thread; in the message field: send"],
  ["m", "Write a message"],
  ["f  Ctrl F", "Find in the thread"],
  ["g", "To the thread's first message"],
  ["Home  End", "In the messages: to the first, to the newest"],
  ["z", "Undo what was just offered to be undone"],
  ["Esc", "Stop the answer, close a dialog"],
  ["?", "This list"],
];

export function openShortcuts() {
  openDialog("Keyboard shortcuts", () => html`
    <dl class="shortcuts">${LISTED.map(([keys, words]) => html`<div>
      <dt>${keys.split("  ").map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${words}</dd></div>`)}</dl>
    <label class="check"><input type="checkbox" .checked=${areOn()} @change=${(event) => switchOn(event.target.checked)}>
      Single letters are shortcuts</label>
    <p class="faint">Switch them off if you speak to your computer, or if they come in your way.</p>`);
}

export function areOn() {
  return deviceStorage.read("shortcuts") !== "off";
}

function switchOn(isOn) {
  deviceStorage.write("shortcuts", isOn ? null : "off");
}
