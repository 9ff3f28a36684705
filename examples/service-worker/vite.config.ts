import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  cacheDir: fileURLToPath(new URL("../../node_modules/.vite/example-service-worker", import.meta.url)),
  // They are modules as they are. Bundled on demand, they would be found when the service worker asks, too late for it.
  optimizeDeps: { exclude: ["orca-durable", "idb", "hono", "valibot"] },
  server: { host: "127.0.0.1" },
  build: { target: "es2023" },
  // At the root of the site, whose pages it is to serve, and always under the same name: a browser finds the next version of
  // a service worker by asking for the address again.
  worker: { format: "es", rolldownOptions: { output: { entryFileNames: "service-worker.js" } } },
});
