import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

// Phrases that plain technical English does not need. Write "if" and "when", "returns", "throws", "is called with",
// "identified by", and the name of a parameter instead of "so many".

const phrases: readonly RegExp[] = [
  /\b(?:nobody|somebody|anybody|everybody|whoever)\b/i,
  /\b(?:is|are|was|were|be|been|unless|not) told\b/i,
  /\btold (?:of|by|otherwise|at once|later)\b/i,
  /\bso many\b/i,
  /\bafter so long\b/i,
  /\bwhere (?:absent|it is absent|there is none|none is given|it is none)\b/i,
  /\b(?:true|false|undefined|null|absent) where\b/i,
  /@throws\b.* where\b/,
  /\bof (?:which|whom) (?:it|each|the|every|all|only)\b/i,
  /\bmade up where\b/i,
  /\bplays a whole system\b/i,
  /\bis spared\b/i,
  // One spelling, the American one.
  /\b(?:recogni|organi|seriali|normali|initiali|summari)s(?:e|ed|es|ing|ation)\b/i,
  /\b(?:hono|behavio|neighbo|favo)ur\w*/i,
];

/** Folders and files that are clean. */
const rooms = [
  "src",
  "adapters",
  "worker",
  "examples",
  "scripts",
  "bench",
  "docs",
  "test/README.md",
  "test/core",
  "test/docs",
  "test/http",
  "test/media",
  "test/simulation",
  "test/support",
  "test/system",
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
];

/** Files that quote: packages, builds, generated files, and this test. */
const isOthers = /node_modules|\/(?:dist|\.wrangler)\/|\.generated\.|words\.test\.ts$/;

function filesOf(place: string): readonly string[] {
  if (/\.\w+$/.test(place)) return [place];
  return readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:ts|mjs|html|toml|md|sql)$/.test(entry.name))
    .map(({ parentPath, name }) => `${parentPath}/${name}`);
}

/** The lines of a text in which a phrase stands. */
function found(text: string, place = ""): readonly string[] {
  return text.split("\n").flatMap((line, index) => {
    const phrase = phrases.flatMap((one) => one.exec(line)?.[0] ?? [])[0];
    return phrase === undefined ? [] : [`${place}:${index + 1}: "${phrase}" in: ${line.trim()}`];
  });
}

test.each(rooms)("%s has no phrase that a plainer one says better", (room) => {
  const files = filesOf(room).filter((path) => !isOthers.test(path));
  expect(files.length).toBeGreaterThan(0);
  expect(files.flatMap((path) => found(readFileSync(path, "utf8"), path))).toEqual([]);
});

test.each([
  "Told of every request once it is answered.",
  "the newest first unless told otherwise",
  "a step that is told to end",
  "@throws `forbidden` where it is made for nobody",
  "Runs a skill of so many steps.",
  "The first where absent.",
  "True where there is another version.",
  "One process plays a whole system by a seed.",
  "A run that is resumed meanwhile is spared.",
  "It recognises its own write.",
  "The behaviour of a store.",
])("a phrase is found: %s", (line) => {
  expect(found(line)).toHaveLength(1);
});
