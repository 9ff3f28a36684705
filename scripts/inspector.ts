import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

// Bundles the inspector's element, with the UI libraries that it is made with, into one ES module, and keeps it as a string in
// a module that Node, workerd, service workers and tsc read alike. It is committed, so that nothing has to be built before a
// test or `npm run dev`; a test holds it against its sources.

const root = fileURLToPath(new URL("..", import.meta.url));
const generated = `${root}worker/inspector/bundle.generated.ts`;

/** The module, as it would be written now. */
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
    // lit's build for Node is the one for browsers, but for this: it can be loaded where there is no document.
    resolve: { conditionNames: ["node", "import", "default"] },
    transform: { target: "es2023", define: { "process.env.NODE_ENV": JSON.stringify("production") } },
  });
  const { output } = await bundle.generate({ format: "esm", minify: true, codeSplitting: false });
  await bundle.close();
  const [chunk] = output;
  if (output.length !== 1) throw new Error("The inspector is not one chunk.");
  return chunk.code;
}

/** Puts the bundle in the place of what tsc made of the element, since its libraries are not the package's dependencies. */
function finishPackage(): void {
  const folder = `${root}dist/worker/inspector/`;
  if (!existsSync(`${folder}element.js`)) throw new Error("There is no dist: run tsc before.");
  const text = /^ {2}(".*");$/m.exec(readFileSync(generated, "utf8"))?.[1];
  if (text === undefined) throw new Error("bundle.generated.ts is not as it is made.");
  writeFileSync(`${folder}element.js`, JSON.parse(text) as string);
  rmSync(`${folder}element.js.map`);
  rmSync(`${folder}ui`, { recursive: true });
}

if (import.meta.main) {
  if (process.argv.includes("--package")) finishPackage();
  else writeFileSync(generated, await inspectorModule());
}
