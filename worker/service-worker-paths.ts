/** Where the app's routes begin. A site has other paths too, and the service worker must leave those alone. */
const routes = /^\/(v1|run_async|run_status|run_cancel|openapi\.json|reference|inspector)(\/|$)/;

/** True for a request that the service answers: to this origin, under its paths, and not another site's form. */
export function isOurs(request: Pick<Request, "url" | "method" | "mode">, origin: string, basePath: string): boolean {
  const url = new URL(request.url);
  if (url.origin !== origin) return false;
  // A browser takes a link or a form of any site here as a navigation. Its answer goes to the user and not to that site,
  // so that reading does no harm; writing would.
  if (request.mode === "navigate" && !["GET", "HEAD"].includes(request.method)) return false;
  return basePath === "" ? routes.test(url.pathname) : url.pathname.startsWith(`${basePath}/`);
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
