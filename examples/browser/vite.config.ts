import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  // The page reads /alice.txt.
  publicDir: fileURLToPath(new URL("../texts", import.meta.url)),
  cacheDir: fileURLToPath(new URL("../../node_modules/.vite/example-browser", import.meta.url)),
  server: { host: "127.0.0.1" },
});
