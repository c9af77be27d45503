// What is said to people who use a screen reader: short notes, and an answer paragraph by paragraph.

const KEPT_MS = 20_000;

export function announce(text) {
  const words = text.trim();
  if (words === "") return;
  const note = document.createElement("p");
  note.textContent = words;
  document.getElementById("announcements").append(note);
  // Announced once; left in place it would be read again by whoever walks through the page.
  setTimeout(() => note.remove(), KEPT_MS);
}
