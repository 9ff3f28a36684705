import { DurableError } from "../../src/index.ts";
import document from "../http/contract/openapi.generated.json" with { type: "json" };
import { inspectorPaths } from "../inspector/routes.ts";

/** What of a site the service answers. */
export interface ServedPaths {
  /** The path under which everything is the service's; the empty text where it has the paths of its document alone. */
  readonly basePath: string;
  /** Whether the inspector is among them. */
  readonly hasInspector: boolean;
}

/** @throws `invalid_definition` where a base path could match no request. */
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
 * True for a request that the service answers: to this origin, to a path that its document names, and not another site's
 * form. A site may have other paths beside them, such as a `/v1/login` of its own, and those are left alone.
 */
export function isOurs(
  request: Pick<Request, "url" | "method" | "mode">,
  origin: string,
  { basePath, hasInspector }: ServedPaths,
): boolean {
  const url = new URL(request.url);
  if (url.origin !== origin) return false;
  // A browser takes a link or a form of any site here as a navigation. Its answer goes to the user and not to that site,
  // so that reading does no harm; writing would.
  if (request.mode === "navigate" && !["GET", "HEAD"].includes(request.method)) return false;
  if (basePath !== "") return url.pathname.startsWith(`${basePath}/`);
  const path = decoded(url.pathname);
  return documented.test(path) || (hasInspector && inspectorPaths.some((one) => one === path));
}

/** One pattern of all the document's paths, in which a parameter is a whole segment. */
const documented = new RegExp(`^(${Object.keys(document.paths).map(patternOf).join("|")})$`);

function patternOf(path: string): string {
  return path
    .split(/\{[^}]*\}/)
    .map((text) => text.replace(/[.*+?^$()[\]\\|]/g, "\\$&"))
    .join("[^/]+");
}

/** As the app reads it; what is not UTF-8 it refuses, whatever the path. */
function decoded(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

/** The request as the app sees it, which knows nothing of a base path. */
export async function underBase(request: Request, basePath: string): Promise<Request> {
  if (basePath === "") return request;
  const url = new URL(request.url);
  url.pathname = url.pathname.slice(basePath.length);
  const { method, headers, signal } = request;
  if (method === "GET" || method === "HEAD") return new Request(url, { method, headers, signal });
  const init = { method, headers, signal, body: request.body ?? (await request.blob()), duplex: "half" };
  return new Request(url, init);
}
