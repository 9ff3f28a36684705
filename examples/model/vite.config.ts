import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  cacheDir: fileURLToPath(new URL("../../node_modules/.vite/example-model", import.meta.url)),
  // Named here, because Vite would otherwise find it while the page runs, and reload the page.
  optimizeDeps: { include: ["idb"] },
  server: { host: "127.0.0.1" },
});
