import { join } from "node:path";
import type { Plugin } from "vite";
import { bundled } from "../bundled.ts";
import { clearStoragePath, executorPath, passedPath, serviceWorkerPath } from "./site-paths.ts";

const support = join(import.meta.dirname, "..");

/**
 * What the server of the browser suites has beside the tests: a service worker at the root of the site, a page that executes,
 * an answer that takes the site's storage away, and what of the service worker's own paths reached the server.
 */
export function sitePlugin(): Plugin {
  const script = once(() => bundled(join(support, "service-worker", "worker.ts"), "iife"));
  const executor = once(() => bundled(join(support, "presence", "page.ts"), "esm"));
  const passed: string[] = [];
  return {
    name: "orca-durable:site",
    configureServer({ middlewares }) {
      middlewares.use((request, response, next) => {
        const { pathname, searchParams } = new URL(request.url ?? "/", "http://site.test");
        if (pathname === serviceWorkerPath) {
          script().then((text) => response.setHeader("content-type", "text/javascript").end(text), next);
          return;
        }
        if (pathname === executorPath) {
          const page = (text: string) =>
            `<!doctype html><meta charset="utf-8"><script type="module">${inline(text)}</script>`;
          executor().then((text) => response.setHeader("content-type", "text/html").end(page(text)), next);
          return;
        }
        if (pathname === clearStoragePath) {
          response.setHeader("Clear-Site-Data", '"storage"');
          response.end("cleared");
          return;
        }
        if (pathname === passedPath) {
          const base = searchParams.get("under") ?? "/";
          response.setHeader("content-type", "application/json");
          response.end(JSON.stringify(passed.filter((path) => path.startsWith(base))));
          return;
        }
        passed.push(pathname);
        next();
      });
    },
  };
}

/** A script within a page ends where the text says so. */
const inline = (text: string) => text.replaceAll("</script", "<\\/script");

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
