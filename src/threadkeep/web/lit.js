// What the page uses of lit-html, under one roof.
export { html, nothing, render } from "./vendor/lit-html/lit-html.js";
export { repeat } from "./vendor/lit-html/directives/repeat.js";
export { live } from "./vendor/lit-html/directives/live.js";
