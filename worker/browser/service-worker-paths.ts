import { DurableError } from "../../src/index.ts";
import document from "../http/contract/openapi.generated.json" with { type: "json" };
import { inspectorPaths } from "../inspector/routes.ts";

/** The paths of a site that the service answers. */
export interface ServedPaths {
  /** The path below which every request belongs to the service. If it is empty, only the paths of the document do. */
  readonly basePath: string;
  /** Whether the paths of the inspector are included. */
  readonly hasInspector: boolean;
}

/** @throws `invalid_definition` if a base path could not match any request. */
export function checkBasePath(basePath: string): void {
  if (basePath === "" || /^(\/[^/?#]+)+$/.test(basePath)) return;
  throw new DurableError(
    "invalid_definition",
    `basePath: expected a path such as "/durable", not "${basePath.slice(0, 200)}"`,
    {
      path: "basePath",
      hint: "begin the path with a slash, and end it without one",
    },
  );
}

/**
 * True for a request that the service answers: it goes to this origin and to a path of the document, and is not a form of
 * another site. Other paths of the site, such as its own `/v1/login`, are left alone.
 */
export function isOurs(
  request: Pick<Request, "url" | "method" | "mode">,
  origin: string,
  { basePath, hasInspector }: ServedPaths,
): boolean {
  const url = new URL(request.url);
  if (url.origin !== origin) return false;
  // A browser treats a link or a form of any site to this origin as a navigation. The user gets the answer, not that site, so
  // reading is harmless; writing is not.
  if (request.mode === "navigate" && !["GET", "HEAD"].includes(request.method)) return false;
  if (basePath !== "") return url.pathname.startsWith(`${basePath}/`);
  const path = decoded(url.pathname);
  return documented.test(path) || (hasInspector && inspectorPaths.some((one) => one === path));
}

/** One pattern for all paths of the document, in which a parameter is a whole segment. */
const documented = new RegExp(`^(${Object.keys(document.paths).map(patternOf).join("|")})$`);

function patternOf(path: string): string {
  return path
    .split(/\{[^}]*\}/)
    .map((text) => text.replace(/[.*+?^$()[\]\\|]/g, "\\$&"))
    .join("[^/]+");
}

/** The path as the app reads it. The app rejects a path that is not UTF-8. */
function decoded(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

/** The request without the base path, as the app expects it. */
export async function underBase(request: Request, basePath: string): Promise<Request> {
  if (basePath === "") return request;
  const url = new URL(request.url);
  url.pathname = url.pathname.slice(basePath.length);
  const { method, headers, signal } = request;
  if (method === "GET" || method === "HEAD") return new Request(url, { method, headers, signal });
  const init = { method, headers, signal, body: request.body ?? (await request.blob()), duplex: "half" };
  return new Request(url, init);
}
