// Server-Sent Events from a Response of fetch; EventSource cannot send a credential.

import { ConnectionLost } from "./api.js";

// The server says `: ping` every 15 s: who hears nothing for longer than two of them has lost the connection.
const SILENCE_MAX_MS = 35_000;

/** Give `{id, name, data}` for each event, until the answer ends. Raises ConnectionLost when it breaks off or is silent. */
export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await heard(reader.read());
      if (done) return;
      const frames = (rest + value).split("\n\n");
      rest = frames.pop();
      for (const frame of frames) {
        const event = parse(frame);
        if (event.data !== null) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parse(frame) {
  const event = { id: null, name: "message", data: null };
  for (const line of frame.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (field === "id") event.id = value;
    else if (field === "event") event.name = value;
    else if (field === "data") event.data = JSON.parse(value);
  }
  return event;
}

async function heard(reading) {
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new ConnectionLost()), SILENCE_MAX_MS);
  });
  const broken = reading.catch(() => {
    throw new ConnectionLost();
  });
  try {
    return await Promise.race([broken, silence]);
  } finally {
    clearTimeout(timer);
  }
}
