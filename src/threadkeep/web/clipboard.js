// Copying text, also where the clipboard's own interface is missing: browsers have it on HTTPS and localhost only.

import { toast } from "./toasts.js";

export async function copy(text, what) {
  if (await (navigator.clipboard ? viaClipboard(text) : viaSelection(text))) toast({ text: `${what} copied.` });
  else toast({ text: "The browser did not allow copying. Select the text and copy it." });
}

async function viaClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return viaSelection(text);
  }
}

function viaSelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return isCopied;
}
