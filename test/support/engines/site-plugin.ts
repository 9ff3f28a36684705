import { join } from "node:path";
import type { Plugin } from "vite";
import { bundled } from "../bundled.ts";
import { clearStoragePath, passedPath, serviceWorkerPath } from "./site-paths.ts";

/**
 * What the server of the browser suites has beside the tests: a service worker at the root of the site, an answer that takes
 * the site's storage away, and what of the service worker's own paths reached the server.
 */
export function sitePlugin(): Plugin {
  let script: Promise<string> | undefined;
  const passed: string[] = [];
  return {
    name: "orca-durable:site",
    configureServer({ middlewares }) {
      middlewares.use((request, response, next) => {
        const { pathname, searchParams } = new URL(request.url ?? "/", "http://site.test");
        if (pathname === serviceWorkerPath) {
          script ??= bundled(join(import.meta.dirname, "..", "service-worker", "worker.ts"), "iife");
          script.then((text) => {
            response.setHeader("content-type", "text/javascript");
            response.end(text);
          }, next);
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
