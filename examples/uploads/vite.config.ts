import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

/** The server that takes the files, by their names, in memory: a second request under one key is the first. */
const server: Plugin = {
  name: "uploads",
  configureServer({ middlewares }) {
    const files = new Map<string, string>();
    const keys = new Set<unknown>();
    let requests = 0;
    middlewares.use("/uploads", async (request, response) => {
      const name = decodeURIComponent(request.url ?? "").slice(1);
      if (request.method === "PUT") {
        requests++;
        const key = request.headers["idempotency-key"];
        const bytes = await buffer(request);
        if (!keys.has(key)) files.set(name, `${files.get(name) ?? ""}${bytes.toString("utf8")}`);
        keys.add(key);
      }
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ files: Object.fromEntries(files), requests }));
    });
  },
};

export default defineConfig({
  root: import.meta.dirname,
  cacheDir: fileURLToPath(new URL("../../node_modules/.vite/example-uploads", import.meta.url)),
  plugins: [server],
  // Named here, because Vite would otherwise find them while the page runs, and reload the page.
  optimizeDeps: { include: ["idb", "react", "react-dom/client", "react/jsx-runtime", "react/jsx-dev-runtime"] },
  server: { host: "127.0.0.1" },
});
