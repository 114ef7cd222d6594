// The page at /api: renders openapi.json as HTML.

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];
const main = document.getElementById("api");
const named = (name, text = "", className = "") => {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
};

/** A span with `text`; parts in backticks become code elements. */
function prose(text) {
  const made = document.createElement("span");
  made.append(...text.split("`").map((part, index) => (index % 2 ? named("code", part) : part)));
  return made;
}

let document_ = null;

const notNull = (schema) => {
  const choices = (schema?.oneOf ?? []).filter((it) => it.type !== "null");
  return choices.length === 1 ? choices[0] : schema;
};

/** Follows `$ref`s of `schema`, and unwraps nullable schemas (`oneOf` with null). */
function resolved(schema) {
  let found = notNull(schema) ?? {};
  for (let hops = 0; found.$ref && hops < 10; hops += 1) {
    found = found.$ref.slice(2).split("/").reduce((at, step) => at?.[step], document_) ?? {};
  }
  return found;
}

/** A short text for a type: `string`, `array of Warning`, `"png" or "jpeg"`. */
function words(given) {
  const schema = notNull(given);
  if (schema?.$ref) {
    const to = resolved(schema);
    return to.properties || to.allOf ? schema.$ref.split("/").pop() : words(to);
  }
  if (!schema) return "";
  if (schema.enum) return schema.enum.map((it) => JSON.stringify(it)).join(" or ");
  const choices = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (choices) return choices.map(words).join(" or ");
  const types = [schema.type ?? "anything"].flat().filter((type) => type !== "null");
  return types.map((type) => (type === "array" ? `array of ${words(schema.items)}` : type)).join(" or ");
}

function table(heads, rows) {
  const made = document.createElement("table");
  const head = made.createTHead().insertRow();
  for (const text of heads) head.append(named("th", text));
  const body = made.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    for (const cell of cells) row.insertCell().append(cell);
  }
  const scroll = named("div", "", "scroll");
  scroll.append(made);
  return scroll;
}

/** Table rows for the members of an object schema; members of nested objects (two levels) are listed by path. */
function members(schema, before = "", depth = 0) {
  const of = resolved(schema);
  const parts = (of.allOf ?? [of]).map(resolved);
  return parts.flatMap((part) =>
    Object.entries(part.properties ?? {}).flatMap(([name, member]) => {
      const needed = part.required?.includes(name) ? "required" : "default" in member ? JSON.stringify(member.default) : "";
      const row = [named("code", before + name), words(member), needed, prose(member.description ?? notNull(member).description ?? resolved(member).description ?? "")];
      const inside = depth < 2 && resolved(member).properties ? members(member, `${before}${name}.`, depth + 1) : [];
      return [row, ...inside];
    }),
  );
}

function call(method, path, operation, open) {
  const made = named("details", "", "call");
  made.open = open;
  const summary = document.createElement("summary");
  summary.append(named("span", method.toUpperCase(), "method"), named("code", path), named("span", operation.summary ?? "", "hint"));
  const inside = document.createElement("div");
  if (operation.description) inside.append(prose(operation.description));
  if (operation.parameters?.length) {
    const rows = operation.parameters.map((it) => [named("code", it.name), `${it.in}${it.required ? ", required" : ""}`, words(it.schema), prose(it.description ?? "")]);
    inside.append(named("h3", "Parameters"), table(["name", "in", "type", "meaning"], rows));
  }
  for (const { schema } of Object.values(operation.requestBody?.content ?? {})) {
    inside.append(named("h3", "Body"), table(["member", "type", "default", "meaning"], members(schema)));
  }
  const answers = Object.entries(operation.responses ?? {}).map(([status, answer]) => {
    const kinds = Object.entries(answer.content ?? {}).map(([type, { schema }]) => `${type}${schema ? `: ${words(schema)}` : ""}`);
    return [named("code", status), prose(answer.description ?? ""), kinds.join("; ")];
  });
  inside.append(named("h3", "Responses"), table(["status", "when", "body"], answers));
  made.append(summary, inside);
  return made;
}

try {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Error(`the service responded with status ${response.status}`);
  document_ = await response.json();
  document.getElementById("about").textContent = document_.info.description ?? "";
  for (const [path, item] of Object.entries(document_.paths)) {
    for (const method of METHODS.filter((it) => item[it])) {
      main.append(call(method, path, item[method], path === "/api/render"));
    }
  }
} catch (error) {
  main.append(named("p", `Cannot load openapi.json: ${error.message}`, "failure"));
}
main.removeAttribute("aria-busy");
