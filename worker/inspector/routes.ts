import type { HonoBase } from "hono/hono-base";
import type { Env } from "hono/types";

/** The files of the inspector that a service serves: a page, its script and its style. */
export interface InspectorPage {
  readonly html: string;
  readonly script: string;
  readonly style: string;
}

/** The paths of the page, its script and its style. */
const inspectorPaths = ["/inspector", "/inspector/element.js", "/inspector/page.css"] as const;

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Adds the routes of the inspector's page. They need no key: their content is the same for every caller and contains no runs. */
export function addInspector<E extends Env>(app: HonoBase<E>, { html, script, style }: InspectorPage): void {
  const [pagePath, scriptPath, stylePath] = inspectorPaths;
  const files = [
    [pagePath, html, "text/html"],
    [scriptPath, script, "text/javascript"],
    [stylePath, style, "text/css"],
  ] as const;
  for (const [path, text, type] of files) {
    let etag: Promise<string> | undefined;
    app.get(path, async (c) => {
      etag ??= etagOf(text);
      const headers = {
        etag: await etag,
        "cache-control": "no-cache",
        "content-security-policy": policy,
        "content-type": `${type}; charset=utf-8`,
      };
      if (c.req.header("if-none-match") === headers.etag) return c.body(null, 304, headers);
      return c.body(text, 200, headers);
    });
  }
}

async function etagOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `"${[...new Uint8Array(digest.slice(0, 12))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}"`;
}
