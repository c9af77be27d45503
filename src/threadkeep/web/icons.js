// Icons, drawn with strokes of one width on a field of 24.

import { html } from "./lit.js";

const PATHS = {
  add: "M12 5v14M5 12h14",
  archive: "M4 5h16v4H4zM6 9v10h12V9M10 13h4",
  attachment: "M8 12v4a4 4 0 0 0 8 0V7a3 3 0 0 0-6 0v8a1.4 1.4 0 0 0 3 0V8",
  back: "M15 5l-7 7 7 7",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  clock: "M4 12a8 8 0 1 0 16 0a8 8 0 1 0-16 0M12 7.500V12l3 2",
  dark: "M19 14.5A7.5 7.5 0 0 1 9.5 5a7.5 7.5 0 1 0 9.5 9.5z",
  details: "M4 7h9M19 7h1M4 17h1M11 17h9M13 7a3 3 0 1 0 6 0a3 3 0 1 0-6 0M5 17a3 3 0 1 0 6 0a3 3 0 1 0-6 0",
  down: "M12 5v14M6 13l6 6 6-6",
  edit: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  filter: "M4 6h16M7 12h10M10 18h4",
  help: "M9 9a3 3 0 1 1 4.2 2.8c-.8.4-1.2 1-1.2 2M12 17.5v.1",
  hidden: "M4 4l16 16M9.5 6.3A9 9 0 0 1 12 6c5 0 8 6 8 6a14 14 0 0 1-2.6 3.2M6.5 8.5A14 14 0 0 0 4 12s3 6 8 6a8 8 0 0 0 3-.6",
  light: "M8 12a4 4 0 1 0 8 0a4 4 0 1 0-8 0M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6L7 7M17 17l1.4 1.4M5.6 18.4L7 17M17 7l1.4-1.4",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  name: "M12 4l1.8 5.2L19 11l-5.2 1.8L12 18l-1.8-5.2L5 11l5.2-1.8zM19 17v4M17 19h4",
  next: "M9 6l6 6-6 6",
  payload: "M9 4H7.500a2 2 0 0 0-2 2v3.500L3.500 12l2 2.500V18a2 2 0 0 0 2 2H9M15 4h1.500a2 2 0 0 1 2 2v3.500l2 2.500-2 2.500V18a2 2 0 0 1-2 2H15",
  previous: "M15 6l-6 6 6 6",
  remove: "M5 7h14M10 7V4.5h4V7M7 7l1 12.5h8L17 7M10.5 11v5M13.5 11v5",
  retry: "M5 12a7 7 0 1 1 2.2 5.1M5 18v-4h4",
  save: "M12 4v11M7 10.500l5 5 5-5M5 20h14",
  search: "M5 11a6 6 0 1 0 12 0a6 6 0 1 0-12 0M15.5 15.5L20 20",
  send: "M12 19V5M6 11l6-6 6 6",
  signOut: "M14 4H5v16h9M10 12h10M16 8l4 4-4 4",
  stop: "M7 7h10v10H7z",
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
  tool: "M14.5 6.5a4 4 0 0 0-5 5L4 17v3h3l5.500-5.500a4 4 0 0 0 5-5L15 12l-3-3z",
  up: "M12 19V5M6 11l6-6 6 6",
  unlock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 6.700-1.400",
  warning: "M12 4l9 16H3zM12 10v4.500M12 17.500v.1",
};

export function icon(name) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]}></path></svg>`;
}
