// Where a path such as `pages[0].children[2].fill` stands in a JSON text.

/** `pages[0].fill` as ["pages", 0, "fill"]. */
export function steps(path) {
  return [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, name]) => (index === undefined ? name : Number(index)));
}

/**
 * Start and end of the value at `path`, or of the deepest value on the way there. The text must be JSON that parses.
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
  // Passes over one value; what is looked for is found on the way.
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
