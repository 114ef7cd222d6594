// A client of the service with types generated from /openapi.json. `.ci/run api` compiles it, without running it, to check
// that the types of the document fit these calls.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const client = createClient<paths>({ baseUrl: "http://127.0.0.1:3000", headers: { authorization: "Bearer key" } });
const design: components["schemas"]["Design"] = { width: 60, height: 40, pages: [{ background: "tomato" }] };

export async function picture(): Promise<string | undefined> {
  const { data, error } = await client.POST("/api/render", {
    body: {
      design,
      outputFormat: "url",
      exportOptions: { pixelRatio: 2, compression: "small", lineBreaking: "unicode", textSizing: "element" },
    },
  });
  if (error) throw new Error(`${error.error}: ${error.problems.length}`);
  return typeof data === "object" ? (data as components["schemas"]["Answer"]).url : undefined;
}

export async function printed(): Promise<string> {
  const { data } = await client.POST("/api/renders", {
    params: { header: { prefer: "wait" } },
    body: { design, format: "pdf", title: "Tickets", color: { space: "CMYK", blackText: "k" }, reproducible: true },
  });
  return data!.id;
}

export async function failedRows(id: string): Promise<number> {
  const { data } = await client.GET("/api/batches/{id}/items", {
    params: { path: { id }, query: { page: 1, per_page: 20, status: "error" } },
  });
  return data!.items.length;
}
