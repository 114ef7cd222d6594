// Calls POST /api/render and reads the response.

/** An error response of the service: its status, message, problems and `retry-after`. */
export class Refused extends Error {
  constructor(status, body, retryAfter) {
    super(body.error ?? "The service sent no error message.");
    this.status = status;
    this.problems = body.problems ?? [];
    this.retryAfter = retryAfter;
  }
}

const TOO_LARGE_INLINE = "TENTER_INLINE_MAX_BYTES";

/**
 * Renders a design and returns `{blob, warnings, stages, rasterizer}`. `body` is the body of POST /api/render without
 * `outputFormat`. Files larger than TENTER_INLINE_MAX_BYTES are fetched through a link instead.
 */
export async function render(body, key, signal) {
  try {
    const { answer, ...rest } = await post({ ...body, outputFormat: "dataURL" }, key, signal);
    return { ...rest, blob: fromDataUrl(answer.url), warnings: answer.warnings };
  } catch (error) {
    if (!(error instanceof Refused && error.status === 413 && error.message.includes(TOO_LARGE_INLINE))) throw error;
    const { answer, ...rest } = await post({ ...body, outputFormat: "url" }, key, signal);
    // The link may name another host (TENTER_PUBLIC_URL); this host serves the same file.
    const file = await fetch(new URL(answer.url).pathname, { signal });
    if (!file.ok) throw new Refused(file.status, await file.json().catch(() => ({})));
    return { ...rest, blob: await file.blob(), warnings: answer.warnings };
  }
}

async function post(body, key, signal) {
  const headers = { "content-type": "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  const response = await fetch("/api/render", { method: "POST", headers, body: JSON.stringify(body), signal });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, answer, response.headers.get("retry-after"));
  return {
    answer,
    stages: stages(response.headers.get("server-timing") ?? ""),
    rasterizer: response.headers.get("x-rendered-by"),
  };
}

/** Lists the variables of a design; none when the service refuses it, which the render call reports. */
export async function listVariables(design, key, signal) {
  const headers = { "content-type": "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  const response = await fetch("/api/variables", { method: "POST", headers, body: JSON.stringify({ design }), signal });
  return response.ok ? (await response.json()).variables : [];
}

/** Parses a server-timing header: `parse;dur=1.2, paint;dur=3` becomes [["parse", 1.2], ["paint", 3]]. */
export function stages(header) {
  return [...header.matchAll(/([\w-]+);dur=([\d.]+)/g)].map(([, name, ms]) => [name, Number(ms)]);
}

function fromDataUrl(url) {
  const [head, data] = url.split(",", 2);
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  return new Blob([bytes], { type: head.slice("data:".length, head.indexOf(";")) });
}

/** A curl command for the same render. The key is read from the shell variable TENTER_KEY. */
export function curl(body, key, file) {
  const authorization = key ? ` \\\n    -H "authorization: Bearer $TENTER_KEY"` : "";
  const json = JSON.stringify({ ...body, outputFormat: "file" });
  return `curl -sS --fail-with-body '${location.origin}/api/render'${authorization} \\\n    --json @- -o ${file} <<'JSON'\n${json}\nJSON\n`;
}
