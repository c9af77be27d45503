// What was written and is not stored by the server yet: per person, organization and thread, until the tab is closed.
//
// A text that is being sent stays here, with the key of its request, until the server says that it has it. Whatever
// comes between, the text comes back into the field; the same text is then sent with the same key and stored once.

import { newKey } from "./api.js";
import { session } from "./session.js";
import { tabStorage } from "./storage.js";

// What this page is sending now. What a page before it was sending has come back.
const underway = new Set();

export function draftOf(thread) {
  const name = nameOf(thread);
  if (!underway.has(name)) takeBack(name);
  return tabStorage.read(name) ?? "";
}

export function keepDraft(thread, text) {
  tabStorage.write(nameOf(thread), text || null);
}

/**
 * Take a draft out of the field, to send it as `fields`. `sameness` is what tells two requests apart.
 *
 * A request that may have come through is sent again with its own key and fields, so that it is stored once. The returned
 * sending belongs to whoever is signed in now: `taken()` when the server has it, `ended()` in any case.
 */
export function beginSending(thread, text, sameness, wanted) {
  const name = nameOf(thread);
  const before = sentUnder(name);
  const isSame = before?.sameness === sameness;
  const key = isSame ? before.key : newKey();
  const fields = isSame ? before.fields : wanted;
  underway.add(name);
  tabStorage.write(sentName(name), JSON.stringify({ key, sameness, fields, text }));
  tabStorage.write(name, null);
  let isTaken = false;
  const taken = () => {
    isTaken = true;
    underway.delete(name);
    tabStorage.write(sentName(name), null);
  };
  const ended = () => {
    // No longer underway: whoever wrote it has signed out since.
    if (underway.delete(name) && !isTaken) takeBack(name, text);
  };
  return { key, fields, taken, ended, isTaken: () => isTaken, forgetKey: () => tabStorage.write(sentName(name), null) };
}

/** Forget what whoever is signed in has written. */
export function forgetDrafts() {
  if (session.user === null) return;
  for (const name of underway) if (name.startsWith(personOf())) underway.delete(name);
  for (const beginning of [personOf(), `sent.${personOf()}`]) {
    for (const name of tabStorage.keys(beginning)) tabStorage.write(name, null);
  }
}

/** Put what was not taken back into the field, before what was written since; its key waits beside it. */
function takeBack(name, known) {
  const sent = sentUnder(name);
  const text = sent?.text ?? known;
  if (!text) return;
  const draft = tabStorage.read(name);
  tabStorage.write(name, draft ? `${text}\n\n${draft}` : text);
  if (sent) tabStorage.write(sentName(name), JSON.stringify({ ...sent, text: null }));
}

function sentUnder(name) {
  return JSON.parse(tabStorage.read(sentName(name)) ?? "null");
}

function sentName(name) {
  return `sent.${name}`;
}

function nameOf(thread) {
  return personOf() + [session.organization.id, thread].map(encodeURIComponent).join("/");
}

function personOf() {
  return `draft.${encodeURIComponent(session.user.id)}/`;
}
