import { DurableError } from "../../src/index.ts";
import { referencePaths } from "../http/routes/service.ts";

/** The paths of a site that the service answers. */
export interface ServedPaths {
  /** The path below which every request belongs to the service. If it is empty, only the paths of its routes do. */
  readonly basePath: string;
  /** Matches the path of every route. */
  readonly routes: RegExp;
}

/** The paths that an app answers at a base path. */
export function servedPaths(
  { routes }: { readonly routes: readonly { readonly method: string; readonly path: string }[] },
  { basePath, hasReference }: { readonly basePath: string; readonly hasReference: boolean },
): ServedPaths {
  // The first page of a site is its own.
  const absent: readonly string[] = hasReference ? ["/"] : ["/", ...referencePaths];
  // Middleware matches all methods.
  const paths = routes.flatMap(({ method, path }) => (method === "ALL" || absent.includes(path) ? [] : [path]));
  return { basePath, routes: new RegExp(`^(${paths.map(patternOf).join("|")})$`) };
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
 * True for a request that the service answers: it goes to this origin and to a path of the service, and is not a form of
 * another site. Other paths of the site, such as its own `/v1/login`, are left alone.
 */
export function isOurs(
  request: Pick<Request, "url" | "method" | "mode">,
  origin: string,
  { basePath, routes }: ServedPaths,
): boolean {
  const url = new URL(request.url);
  if (url.origin !== origin) return false;
  // A browser treats a link or a form of any site to this origin as a navigation. The user gets the answer, not that site, so
  // reading is harmless; writing is not.
  if (request.mode === "navigate" && !["GET", "HEAD"].includes(request.method)) return false;
  if (basePath !== "") return url.pathname.startsWith(`${basePath}/`);
  return routes.test(decoded(url.pathname));
}

/** The pattern of a route's path, in which a parameter is a whole segment. */
function patternOf(path: string): string {
  return path
    .split(/:\w+/)
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
