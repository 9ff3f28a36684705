import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { doors, examplesIn, type PublicName, publicNames } from "../../scripts/api.ts";
import { declarations } from "../../scripts/declarations.ts";
import { digestOf, digestOfFiles, digestOfPackage, keptFolder } from "../../scripts/kept.ts";
import { firstSentence, namesPage, unexplained } from "../../scripts/names.ts";
import { compile, compilerVersion } from "../support/compile.ts";

// The package as its users have it: its declarations in node_modules, beside its dependencies, and nothing of this repository.
let project: string;
let names: readonly PublicName[];
/** Of the declarations, and of what is installed. */
let digest: string;

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), "orca-durable-api-"));
  const installed = join(project, "node_modules/orca-durable");
  mkdirSync(installed, { recursive: true });
  writeFileSync(join(installed, "package.json"), readFileSync("package.json"));
  digest = digestOfPackage();
  const emitted = await declarations();
  cpSync(emitted, join(installed, "dist/types"), { recursive: true });
  const { dependencies } = JSON.parse(readFileSync("package.json", "utf8")) as { dependencies: Record<string, string> };
  mkdirSync(join(project, "node_modules/@types"));
  // React is an optional peer, whose types are a package of their own.
  for (const name of [...Object.keys(dependencies), "react", "@types/react", "csstype"])
    symlinkSync(resolve("node_modules", name), join(project, "node_modules", name));
  writeFileSync(join(project, "package.json"), '{ "type": "module" }');
  names = publicNames(emitted);
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

/**
 * Fails with what a compiler prints of a folder of the project. What compiled once is not compiled again, in `npm test` after
 * `npm run check`, as long as all that the compiler reads is the same.
 */
async function expectToCompile(compiler: string, folder: string, compilerOptions: object): Promise<void> {
  const web = { target: "es2022", lib: ["es2024", "dom", "dom.iterable", "dom.asynciterable"], types: [] };
  const options = {
    compilerOptions: { strict: true, noEmit: true, ...web, ...compilerOptions },
    include: [`${folder}/*.ts`],
  };
  const read = [digest, compilerVersion(compiler), JSON.stringify(options), digestOfFiles(project, folder)];
  await keptFolder(digestOf("compiles", ...read), async () => {
    const config = join(project, "tsconfig.json");
    writeFileSync(config, JSON.stringify(options));
    expect(await compile(compiler, config)).toBe("");
  });
}

test("the names are those of every door", () => {
  expect(new Set(names.map(({ door }) => door))).toEqual(new Set(doors().keys()));
  expect(names.length).toBeGreaterThan(200);
});

test("every type in a public signature has a name that a door exports", () => {
  const unnamed = names.flatMap(({ door, name, unnamed }) => unnamed.map((type) => `${door}: ${name} has ${type}`));
  expect(unnamed).toEqual([]);
});

test("every public function and class has an example", () => {
  const without = names.filter(
    ({ isFunctionOrClass, docstring }) => isFunctionOrClass && examplesIn(docstring).length === 0,
  );
  expect(without.map(({ door, name }) => `${door}: ${name}`)).toEqual([]);
});

// What a user of the package calls most.
const described: ReadonlySet<string> = new Set(["Runs", "RunsApi", "Client", "Runtime", "WorkflowStep"]);

test("every public method of Runs, Client, Runtime and WorkflowStep has an example", () => {
  const classes = names.filter(({ name }) => described.has(name));
  expect(new Set(classes.map(({ name }) => name))).toEqual(described);
  const methods = classes.flatMap(({ name, methods }) =>
    methods.map((method) => ({ place: `${name}.${method.name}`, ...method })),
  );
  const without = methods.filter(({ docstring }) => examplesIn(docstring).length === 0);
  expect(without.map(({ place }) => place)).toEqual([]);
  expect(methods.length).toBeGreaterThan(70);
});

// What examples may import beside the package: the skills of a program, and its runtime.
const preamble = {
  "skills.ts": `import { defineCapability, defineSkill } from "orca-durable";

export const sendMail = defineCapability(
  { id: "mail.send", version: "1", sideEffects: "external_action" },
  async ({ to, text }: { to: string; text: string }) => ({ accepted: to !== "" && text !== "" }),
);

export const letter = defineSkill({
  id: "letter",
  version: "1",
  async run(step, { to }: { to: string }) {
    const text = await step.do("draft", async () => \`Dear \${to}, …\`);
    return step.use("send", sendMail, { to, text });
  },
});

export const skills = [letter];
export const capabilities = [sendMail];
`,
  "runs.ts": `import { createRuntime } from "orca-durable";
import { memoryStore } from "orca-durable/memory";
import { capabilities, skills } from "./skills.ts";

export const runtime = createRuntime({ store: memoryStore(), skills, capabilities });
export const runs = runtime.for("acme");
`,
};

test("every example compiles for a user of the package", async () => {
  const folder = join(project, "examples");
  mkdirSync(folder);
  for (const [name, text] of Object.entries(preamble)) writeFileSync(join(folder, name), text);
  const examples = names.flatMap(({ door, name, docstring, methods }) =>
    [{ place: name, docstring }, ...methods.map((method) => ({ ...method, place: `${name}.${method.name}` }))].flatMap(
      ({ place, docstring }) =>
        examplesIn(docstring).map((code, index) => ({
          file: `${door.replaceAll("/", ".")}.${place}.${index}.ts`,
          code,
        })),
    ),
  );
  expect(examples.filter(({ code }) => code === "")).toEqual([]);
  // Whatever a test runner is called, an example may use it.
  writeFileSync(
    join(folder, "vitest.d.ts"),
    'declare module "vitest" { export function test(name: string, body: () => unknown): void }',
  );
  // A method may inherit its example.
  const files = new Map(examples.map(({ file, code }) => [code, file]));
  for (const [code, file] of files) writeFileSync(join(folder, file), `export {};\n${code}`);
  await expectToCompile(resolve("node_modules/typescript"), "examples", {
    module: "nodenext",
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
  });
  expect(files.size).toBeGreaterThan(100);
});

describe("docs/names.md", () => {
  test("has every name that a door exports, with the first sentence of its docstring (`npm run names` writes it)", () => {
    const page = readFileSync("docs/names.md", "utf8");
    expect(page).toBe(namesPage(page, names));
    const rows = [...page.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)];
    expect(rows.map(([, name]) => name).toSorted()).toEqual(names.map(({ name }) => name).toSorted());
  });

  test("has something to say about every name", () => {
    expect(unexplained(names)).toEqual([]);
  });

  test.each([
    ["One line.", "One line"],
    ["A state, as `a.b` or\n{@link Other} has it. Nothing more.", "A state, as `a.b` or `Other` has it"],
    ["A sentence, e.g. this one. `Code` begins the next.", "A sentence, e.g. this one"],
    ["A heading of a list.\n\n- one\n- two", "A heading of a list"],
    ["What it is.\n\n@example\nOther text.", "What it is"],
    ["\n@internal", ""],
  ])("a row is the first sentence: %j", (docstring, sentence) => {
    expect(firstSentence(docstring)).toBe(sentence);
  });
});

describe("the package compiles for its users", () => {
  const compilers = {
    "5.9": "scripts/node_modules/typescript",
    "6.0": "docs/node_modules/typescript",
    "7.0": "node_modules/typescript",
  };
  const resolutions = { node16: "node16", nodenext: "nodenext", bundler: "esnext" };

  beforeAll(() => {
    mkdirSync(join(project, "doors"));
    const imports = [...doors().keys()].map((door, index) => `export * as door${index} from "${door}";\n`);
    writeFileSync(join(project, "doors/doors.ts"), imports.join(""));
  });

  describe.each(Object.entries(compilers))("with TypeScript %s", (version, path) => {
    test("is that version", () => {
      expect(compilerVersion(path)).toMatch(new RegExp(`^${version.replace(".", "\\.")}\\.`));
    });

    test.each(Object.entries(resolutions))(
      "resolving by %s, its declarations checked too",
      async (moduleResolution, module) => {
        // The libraries of the compiler itself are its own, and take longer to check than the package.
        const checks = { skipLibCheck: false, skipDefaultLibCheck: true };
        const options = { ...checks, exactOptionalPropertyTypes: true, module, moduleResolution };
        await expectToCompile(resolve(path), "doors", options);
      },
    );
  });
});
