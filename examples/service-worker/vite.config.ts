import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  cacheDir: fileURLToPath(new URL("../../node_modules/.vite/example-service-worker", import.meta.url)),
  // These packages are modules already. Bundling them on demand would be too late for the service worker.
  optimizeDeps: { exclude: ["orca-durable", "idb", "hono", "valibot"] },
  server: { host: "127.0.0.1" },
  build: { target: "es2023" },
  // The script is at the root of the site, so that it serves all pages, and always has the same name, because a browser
  // finds the next version of a service worker by requesting the same address again.
  worker: { format: "es", rolldownOptions: { output: { entryFileNames: "service-worker.js" } } },
});
