// The page at /: design and options on the left, the rendered result on the right.

import { Refused, curl, listVariables, render } from "./call.js";
import { locate } from "./locate.js";

const $ = (id) => document.getElementById(id);
const source = $("source");
const CHECKS = ["ignoreBackground", "includeBleed", "skipImageError", "skipFontError", "vector"];
const WAIT_MS = 350;
const TITLES = {
  0: "Cannot reach the service",
  400: "The design or an option is not accepted",
  401: "The service requires a key",
  413: "The request or the result is too large",
  422: "An image or font could not be loaded",
  429: "The service is busy",
  500: "Internal error of the service",
  501: "Not built yet",
  504: "The render timed out",
};
const EXTENSIONS = { png: "png", jpeg: "jpg", pdf: "pdf" };

let running = null; // AbortController of the current call
let waiting = null; // timer that starts the next call
let shown = null; // object URL of the displayed file
let lastBody = null;
let listing = null; // AbortController of the current list of variables
let listed = ""; // the design whose variables the form has

const format = () => document.querySelector("input[name=format]:checked").value;
const scale = () => 2 ** Number($("scale").value);

/** The request body for the current form. Throws `Refused` with status 400 if a field is not valid JSON. */
function body() {
  const design = parse(source.value, "The design");
  const options = { textOverflow: $("overflow").value };
  for (const name of CHECKS) if ($(name).checked && !$(name).closest("[hidden]")) options[name] = true;
  if (format() !== "pdf") {
    options.pixelRatio = scale();
    if ($("page").value) options.pageId = $("page").value;
  }
  if (format() === "jpeg") options.quality = Number($("quality").value);
  const body = { design, format: format(), exportOptions: options };
  if ($("variables").value.trim()) body.variables = parse($("variables").value, "Variables");
  return body;
}

function parse(text, what) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refused(400, { error: `${what}: this is not JSON: ${error.message}` });
  }
}

function soon(ms = WAIT_MS) {
  clearTimeout(waiting);
  waiting = setTimeout(show, ms);
}

async function show() {
  clearTimeout(waiting);
  running?.abort();
  if (!source.value.trim()) return;
  offerVariables();
  const call = (running = new AbortController());
  $("sheet").dataset.state = "busy";
  $("status").textContent = "Rendering…";
  const begun = performance.now();
  try {
    lastBody = body();
    $("copy").disabled = false;
    const made = await render(lastBody, $("key").value, call.signal);
    if (call.signal.aborted) return;
    await showPicture(made, performance.now() - begun);
  } catch (error) {
    if (!call.signal.aborted) showFailure(error);
  }
}

async function showPicture({ blob, warnings, stages, rasterizer }, ms) {
  const url = URL.createObjectURL(blob);
  const isPdf = blob.type === "application/pdf";
  const [picture, paper] = [$("picture"), $("document")];
  let size = "";
  if (isPdf) {
    paper.src = url;
  } else {
    picture.src = url;
    await picture.decode();
    size = `${picture.naturalWidth} × ${picture.naturalHeight} px, `;
    picture.alt = `The rendered design, ${size.replace(", ", "")}`;
  }
  if (shown) URL.revokeObjectURL(shown);
  shown = url;
  picture.hidden = isPdf;
  paper.hidden = !isPdf;
  $("failure").hidden = true;
  $("sheet").dataset.state = "done";
  $("status").textContent = `${size}${kilobytes(blob.size)}, ${Math.round(ms)} ms round trip`;
  const download = $("download");
  const extension = EXTENSIONS[format()];
  download.href = url;
  download.download = `design.${extension}`;
  download.removeAttribute("aria-disabled");
  download.textContent = `Download ${format().toUpperCase()}`;
  showStages(stages, rasterizer);
  showWarnings(warnings);
}

function showFailure(error) {
  const status = error instanceof Refused ? error.status : 0;
  const failure = $("failure");
  const title = element("h3", TITLES[status] ?? `The service responded with status ${status}`);
  const parts = [title];
  const problems = error.problems ?? [];
  if (problems.length === 0) parts.push(element("p", error.message, "message"));
  else {
    const list = document.createElement("ul");
    for (const { path, message } of problems) {
      const item = document.createElement("li");
      if (path) item.append(place(path, path));
      item.append(element("p", message, "message"));
      list.append(item);
    }
    parts.push(list);
  }
  if (error.retryAfter) parts.push(element("p", `Try again in ${error.retryAfter} s.`, "hint"));
  if (status === 401) $("key").closest("details").open = true;
  failure.replaceChildren(...parts);
  failure.hidden = false;
  $("picture").hidden = $("document").hidden = true;
  $("timings").hidden = $("warnings").hidden = true;
  $("sheet").dataset.state = "failed";
  $("status").textContent = "No result";
  const download = $("download");
  download.removeAttribute("href");
  download.setAttribute("aria-disabled", "true");
  download.textContent = "Download";
}

function showStages(stages, rasterizer) {
  const total = stages.reduce((sum, [, ms]) => sum + ms, 0);
  $("timings").hidden = stages.length === 0;
  $("total").textContent = `${total.toFixed(1)} ms on the server, painted by ${rasterizer}`;
  const order = ["queue", "parse", "assets", "resolve", "paint", "encode", "answer"];
  const colour = (name) => `s${Math.max(order.indexOf(name), 0)}`;
  $("lane").replaceChildren(
    ...stages.map(([name, ms]) => {
      const part = element("span", "", colour(name));
      part.style.flexGrow = String(ms / (total || 1));
      return part;
    }),
  );
  $("stages").replaceChildren(
    ...stages.map(([name, ms]) => {
      const pair = element("div", "", colour(name));
      pair.append(element("dt", name), element("dd", `${ms.toFixed(1)} ms`));
      return pair;
    }),
  );
}

function showWarnings(warnings) {
  $("warnings").hidden = warnings.length === 0;
  $("warning-count").textContent = String(warnings.length);
  $("warning-list").replaceChildren(
    ...warnings.map(({ code, path, element: id, message }) => {
      const item = document.createElement("li");
      item.append(element("span", code.replaceAll("_", " "), "code"), element("p", message, "message"));
      item.append(place(path, id ? `${id} at ${path}` : path));
      return item;
    }),
  );
}

/** A button that selects the value at `path` in the design's text. */
function place(path, text) {
  const button = element("button", text, "place");
  button.type = "button";
  button.addEventListener("click", () => select(path));
  return button;
}

function select(path) {
  const inside = path.replace(/^design\.?/, "");
  const [from, to] = locate(source.value, inside);
  source.focus();
  source.setSelectionRange(from, to);
  const line = source.value.slice(0, from).split("\n").length - 1;
  source.scrollTop = line * parseFloat(getComputedStyle(source).lineHeight) - source.clientHeight / 3;
  source.scrollIntoView({ block: "nearest" });
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function kilobytes(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Loads a design into the form, updates the list of pages and renders. */
function take(text, note) {
  source.value = text;
  $("source-note").textContent = note;
  offerPages();
  soon(0);
}

function offerPages() {
  let pages = [];
  try {
    pages = JSON.parse(source.value).pages ?? [];
  } catch {
    // The render call reports the syntax error.
  }
  const chosen = $("page").value;
  const named = pages.filter((page) => typeof page?.id === "string");
  $("page").replaceChildren(
    ...named.map((page, index) => {
      const option = element("option", `${index + 1} of ${named.length}`);
      option.value = page.id;
      return option;
    }),
  );
  if (named.some((page) => page.id === chosen)) $("page").value = chosen;
  fitOptions();
}

/** Shows a field for each variable of the design. Designs without a sign of any cause no call. */
async function offerVariables() {
  const text = source.value;
  if (text === listed) return;
  listed = text;
  listing?.abort();
  const call = (listing = new AbortController());
  let variables = [];
  if (/\{[^{}"]+\}|"bindings"|"variable"/.test(text)) {
    try {
      variables = await listVariables(JSON.parse(text), $("key").value, call.signal);
    } catch {
      // The render call reports the problem.
    }
  }
  if (!call.signal.aborted) $("variable-fields").replaceChildren(...variables.map(variableField));
}

/** A field for a variable, whose value goes into the JSON below; empty for the design's own value. */
function variableField({ name, kind, value }, index) {
  const id = `variable-${index}`;
  const label = element("label", name);
  label.htmlFor = id;
  const input = document.createElement(kind === "boolean" ? "select" : "input");
  if (kind === "boolean") input.append(...["", "true", "false"].map((word) => new Option(word, word)));
  else if (value !== null) input.placeholder = String(value).slice(0, 60);
  input.id = id;
  input.value = String(givenVariables()[name] ?? "");
  input.addEventListener("input", () => {
    const values = { ...givenVariables(), [name]: input.value };
    if (input.value === "") delete values[name];
    $("variables").value = Object.keys(values).length ? JSON.stringify(values) : "";
  });
  const field = element("div", "", "field");
  field.append(label, input);
  return field;
}

/** The values in the JSON; none while it is not an object. */
function givenVariables() {
  try {
    return Object(JSON.parse($("variables").value));
  } catch {
    return {};
  }
}

/** Shows the options that apply to the selected format. */
function fitOptions() {
  for (const part of document.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.split(" ").includes(format());
  $("page-field").hidden = $("page").options.length < 2 || format() === "pdf";
  $("scale-value").textContent = `${Number(scale().toFixed(2))}×`;
  $("quality-value").textContent = Number($("quality").value).toFixed(2);
}

async function takeFile(file) {
  press(null);
  take(await file.text(), `${file.name}, ${kilobytes(file.size)}`);
}

function press(chip) {
  for (const it of document.querySelectorAll(".chip")) it.setAttribute("aria-pressed", String(it === chip));
}

for (const chip of document.querySelectorAll(".chip")) {
  chip.addEventListener("click", async () => {
    press(chip);
    try {
      const response = await fetch(`/web/examples/${chip.dataset.example}.json`);
      if (!response.ok) throw new Refused(response.status, await response.json().catch(() => ({})));
      take(await response.text(), "Built-in example; its fonts and images are embedded");
    } catch (error) {
      showFailure(error);
    }
  });
}

source.addEventListener("input", () => {
  press(null);
  $("source-note").textContent = "";
  offerPages();
  soon();
});
$("file").addEventListener("change", ({ target }) => target.files[0] && takeFile(target.files[0]));
$("form").addEventListener("submit", (event) => event.preventDefault());
$("form").addEventListener("input", ({ target }) => {
  if (target === source || target.id === "file") return;
  fitOptions();
  soon();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) soon(0);
});

const drop = document.body;
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("dropping");
});
drop.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("drop").classList.remove("dropping");
});
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("dropping");
  const [file] = event.dataTransfer.files;
  if (file) takeFile(file);
});

$("copy").addEventListener("click", async () => {
  const text = curl(lastBody, $("key").value, `design.${EXTENSIONS[format()]}`);
  try {
    await navigator.clipboard.writeText(text);
    $("status").textContent = "curl command copied to the clipboard";
  } catch {
    // Browsers deny clipboard access without HTTPS: copy from a temporary text area instead.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    $("status").textContent = copied ? "curl command copied to the clipboard" : "The browser denied access to the clipboard";
  }
});

fitOptions();
