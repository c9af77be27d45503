// What was written and not yet sent, per thread, until the tab is closed.

import { session } from "./session.js";
import { tabStorage } from "./storage.js";

const name = (thread) => `draft.${session.organization.id}.${thread}`;

export function draftOf(thread) {
  return tabStorage.read(name(thread)) ?? "";
}

export function keepDraft(thread, text) {
  tabStorage.write(name(thread), text === "" ? null : text);
}
