// Finds the value at a path such as `pages[0].children[2].fill` in a JSON text.

/** Splits a path: `pages[0].fill` becomes ["pages", 0, "fill"]. */
export function steps(path) {
  return [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, name]) => (index === undefined ? name : Number(index)));
}

/**
 * Start and end offsets of the value at `path`, or of its deepest existing ancestor. `text` must be valid JSON.
 */
export function locate(text, path) {
  const wanted = steps(path);
  let at = 0;
  const space = () => {
    while (/\s/.test(text[at] ?? "")) at += 1;
  };
  const string = () => {
    const from = at;
    at += 1;
    while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    at += 1;
    return text.slice(from, at);
  };
  // Skips one value; returns the offsets of the wanted value if it is inside, otherwise those of the skipped value.
  const value = (depth, onPath) => {
    space();
    const from = at;
    let found = null;
    const member = (key) => {
      const inside = value(depth + 1, onPath && wanted[depth] === key);
      if (onPath && wanted[depth] === key) found = inside;
    };
    if (text[at] === "{") {
      at += 1;
      for (space(); at < text.length && text[at] !== "}"; space()) {
        if (text[at] === ",") at += 1;
        space();
        const key = JSON.parse(string());
        space();
        at += 1; // :
        member(key);
      }
      at += 1;
    } else if (text[at] === "[") {
      at += 1;
      let index = 0;
      for (space(); at < text.length && text[at] !== "]"; space()) {
        if (text[at] === ",") at += 1;
        member(index);
        index += 1;
      }
      at += 1;
    } else if (text[at] === '"') {
      string();
    } else {
      while (at < text.length && !/[\s,}\]]/.test(text[at])) at += 1;
    }
    return found ?? [from, at];
  };
  return value(0, true);
}
