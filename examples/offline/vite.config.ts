import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const samples = fileURLToPath(new URL("./samples", import.meta.url));
const serviceWorker = "service-worker.js";

/** Passes the list of the page's files to the service worker. A new build has a new list, and so a new worker. */
const shell: Plugin = {
  name: "shell",
  generateBundle: {
    order: "post",
    handler(_options, bundle) {
      const files = Object.keys(bundle).filter((name) => name !== serviceWorker && name !== "index.html");
      const chunk = bundle[serviceWorker];
      if (chunk?.type !== "chunk") throw new Error(`the build has no ${serviceWorker}`);
      const paths = ["/", ...[...files, ...readdirSync(samples)].map((name) => `/${name}`)];
      chunk.code = chunk.code.replaceAll("__SHELL__", JSON.stringify(paths.toSorted()));
    },
  },
};

const port = Number(process.env.PORT ?? 4173);

export default defineConfig({
  root: import.meta.dirname,
  publicDir: "samples",
  cacheDir: fileURLToPath(new URL("../../node_modules/.vite/example-offline", import.meta.url)),
  plugins: [shell],
  build: {
    outDir: fileURLToPath(new URL("../../artifacts/offline", import.meta.url)),
    emptyOutDir: true,
    target: "es2023",
    rolldownOptions: {
      input: {
        page: fileURLToPath(new URL("./index.html", import.meta.url)),
        "service-worker": fileURLToPath(new URL("./service-worker.ts", import.meta.url)),
      },
      output: {
        entryFileNames: ({ name }) => (name === "service-worker" ? serviceWorker : "assets/[name]-[hash].js"),
      },
    },
  },
  preview: { host: "127.0.0.1", port, strictPort: true },
});
