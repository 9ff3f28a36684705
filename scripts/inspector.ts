import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

// Bundles the element of the inspector with its UI libraries into one ES module, and stores it as a string in a module that
// Node, workerd, service workers and tsc can read. The module is committed, so that no build is needed before a test or `npm
// run dev`; a test compares it with its sources.

const root = fileURLToPath(new URL("..", import.meta.url));
const generated = `${root}worker/inspector/bundle.generated.ts`;

/** The module as it would be written now. */
export async function inspectorModule(): Promise<string> {
  const script = await inspectorScript();
  return `// Made by \`npm run inspector\` from element.ts.\nexport const script: string =\n  ${JSON.stringify(script)};\n`;
}

/** The element as one minified ES module. */
export async function inspectorScript(): Promise<string> {
  const bundle = await rolldown({
    input: `${root}worker/inspector/element.ts`,
    cwd: root,
    platform: "neutral",
    // lit's build for Node is the one for browsers, except that it can be loaded without a document.
    resolve: { conditionNames: ["node", "import", "default"] },
    transform: { target: "es2023", define: { "process.env.NODE_ENV": JSON.stringify("production") } },
  });
  const { output } = await bundle.generate({ format: "esm", minify: true, codeSplitting: false });
  await bundle.close();
  const [chunk] = output;
  if (output.length !== 1) throw new Error("The inspector is not one chunk.");
  return chunk.code;
}

if (import.meta.main) writeFileSync(generated, await inspectorModule());
