// Before anybody is signed in, or before an organization is chosen.

import { icon } from "./icons.js";
import { openDialog } from "./dialogs.js";
import { html, nothing } from "./lit.js";
import { go } from "./route.js";
import { session, signOut } from "./session.js";

/** `enter(credential, stays)` signs in. */
export function signInView(enter) {
  const submit = (event) => {
    event.preventDefault();
    const { credential, stays } = event.target.elements;
    enter(credential.value, stays.checked);
  };
  return frame(html`
    <h1>Sign in</h1>
    ${session.sentence ? html`<p class="notice" role="alert">${session.sentence}</p>` : nothing}
    <p class="faint">Open the link that <code>threadkeep serve</code> printed, or paste a token or an API key. An operator
      makes a token with <code>threadkeep admin create-token</code>.</p>
    <form @submit=${submit}>
      <label class="field">Token or API key
        <input name="credential" type="password" autocomplete="off" spellcheck="false" required autofocus></label>
      <label class="check"><input type="checkbox" name="stays"> Stay signed in on this device</label>
      <button class="button wide" ?disabled=${session.isBusy}>${session.isBusy ? "Signing in…" : "Sign in"}</button>
    </form>`);
}

export function unreachableView(retry) {
  return frame(html`<h1>No connection</h1><p role="alert">${session.sentence} The page keeps trying.</p>
    <button class="button wide" ?disabled=${session.isBusy} @click=${retry}>${icon("retry")} Try again</button>
    <button class="button quiet wide" @click=${() => signOut()}>Sign in otherwise</button>`);
}

export function organizationChoice() {
  const all = session.user.organizations;
  if (all.length === 0) {
    return frame(html`<h1>No organization yet</h1>
      <p>You are signed in as <bdi>${session.user.id}</bdi>, who belongs to no organization. Ask an owner to add you, then
        load this page again.</p>
      <button class="button quiet wide" @click=${() => signOut()}>Sign out</button>`);
  }
  return frame(html`<h1>Choose an organization</h1>
    <ul class="choices">${all.map(({ id, name, role }) => html`<li><button class="choice" @click=${() => go(id)}>
      <bdi>${name}</bdi> <small class="faint">${role}</small></button></li>`)}</ul>
    <button class="button quiet wide" @click=${() => signOut()}>Sign out</button>`);
}

/** Ask whether to be who a link says; `current` is who is signed in, or null. Both are as the server says. */
export function askAboutLink(user, current) {
  const names = user.organizations.map(({ name }) => html` “<bdi>${name}</bdi>”`);
  return openDialog(current === null ? "Sign in by this link?" : "Sign in as somebody else?", (close) => html`
    <p>${current === null ? nothing : html`You are signed in as <bdi>${current.id}</bdi>. `}This link signs you in as
      <strong><bdi>${user.id}</bdi></strong>${names.length === 0 ? ", who belongs to no organization." : html`, of${names}.`}</p>
    <p class="faint">Agree if the link was meant for you: whoever it belongs to can read what you write there.</p>
    <div class="dialog-foot">
      <button class="button quiet" ?autofocus=${current !== null} @click=${() => close(false)}>Cancel</button>
      <button class="button" ?autofocus=${current === null} @click=${() => close(true)}>Sign in</button>
    </div>`);
}

export function startingView() {
  return frame(html`<p role="status" class="faint">Signing in…</p>`);
}

function frame(inside) {
  return html`<main class="gate"><div class="card">
    <p class="brand"><img src="web/icon.svg" alt="" width="28" height="28">threadkeep</p>${inside}</div></main>`;
}
