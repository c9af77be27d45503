// Light, dark, or as the system has it.

import { deviceStorage } from "./storage.js";
import { changed } from "./store.js";

const NEXT = { system: "light", light: "dark", dark: "system" };

export function currentTheme() {
  return document.documentElement.dataset.theme ?? "system";
}

export function nextTheme() {
  const theme = NEXT[currentTheme()];
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  deviceStorage.write("theme", theme === "system" ? null : theme);
  changed();
}
