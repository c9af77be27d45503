// What the browser keeps for the page. With storage switched off the page works and forgets.

const PREFIX = "threadkeep.";

function area(name) {
  try {
    return window[name];
  } catch {
    return null;
  }
}

function store(name) {
  return {
    read(key) {
      return area(name)?.getItem(PREFIX + key) ?? null;
    },
    /** The keys that begin like this. */
    keys(beginning) {
      const all = Object.keys(area(name) ?? {});
      return all.filter((key) => key.startsWith(PREFIX + beginning)).map((key) => key.slice(PREFIX.length));
    },
    write(key, value) {
      try {
        if (value === null) area(name)?.removeItem(PREFIX + key);
        else area(name)?.setItem(PREFIX + key, value);
      } catch {
        // Full: what is kept here is a convenience, never the only copy.
      }
    },
  };
}

/** Until the tab is closed. */
export const tabStorage = store("sessionStorage");
/** Until it is removed. */
export const deviceStorage = store("localStorage");
