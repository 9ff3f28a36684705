import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { PlantedBug } from "./bugs.ts";
import { simulate } from "./simulation.ts";
import { loadSubject, type Subject } from "./subject.ts";

/** What became of a search for a planted bug. */
export interface Found {
  readonly name: string;
  /** The invariant that it broke; absent if no seed found it. */
  readonly invariant?: string;
  readonly message?: string;
  readonly seed?: string;
  /** How many seeds were tried. */
  readonly seeds: number;
  readonly ms: number;
}

/** The package's folder. */
const home = new URL("../../", import.meta.url);

/** The text of the file with the bug in it. Throws where the place is not there, so that no bug goes unplanted. */
export function withBug({ name, file, find, replace, also }: PlantedBug): string {
  const edits = [{ find, replace }, ...(also === undefined ? [] : [also])];
  return edits.reduce(
    (text, edit) => {
      const places = text.split(edit.find).length - 1;
      if (places !== 1) throw new Error(`"${name}": "${edit.find}" is ${places} times in ${file}; find it again`);
      return text.replace(edit.find, () => edit.replace);
    },
    readFileSync(new URL(file, home), "utf8"),
  );
}

/** Does something with a copy of the implementation that has the bug in it. */
export async function planted<T>(bug: PlantedBug, within: (subject: Subject) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "orca-planted-"));
  try {
    for (const part of ["src", "adapters/memory", "package.json"]) {
      cpSync(new URL(part, home), join(folder, part), { recursive: true });
    }
    writeFileSync(join(folder, bug.file), withBug(bug));
    return await within(await loadSubject(pathToFileURL(`${folder}/`)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Puts a bug into a copy of the implementation, and tries seeds against that, at most `most`. */
export function hunt(bug: PlantedBug, most: number): Promise<Found> {
  const began = performance.now();
  return planted(bug, async (subject) => {
    const known = bug.seed === undefined ? [] : [bug.seed];
    const seeds = [
      ...known,
      ...Array.from(
        { length: most - known.length },
        (_, index) => `${bug.weather === undefined ? "" : `${bug.weather}:`}planted-${index}`,
      ),
    ];
    for (const [index, seed] of seeds.entries()) {
      const { violation } = await simulate(subject, seed);
      if (violation === undefined) continue;
      const { invariant, message } = violation;
      return { name: bug.name, invariant, message, seed, seeds: index + 1, ms: performance.now() - began };
    }
    return { name: bug.name, seeds: seeds.length, ms: performance.now() - began };
  });
}

/** Writes the seeds that found their bugs into `bugs.ts`, where another stands or none, so that the next search begins with them. */
export function renewSeeds(found: readonly Found[]): void {
  const path = new URL("bugs.ts", import.meta.url);
  const renewed = found.reduce(
    (text, { name, seed, seeds }) => {
      if (seed === undefined || seeds === 1) return text;
      const start = text.indexOf(`name: ${JSON.stringify(name)},`);
      const end = text.indexOf("\n  },\n", start);
      if (start === -1 || end === -1) throw new Error(`bugs.ts has no bug named "${name}"`);
      const bug = text.slice(start, end).replace(/\n {4}seed: ".*",/, "");
      return `${text.slice(0, start)}${bug}\n    seed: "${seed}",${text.slice(end)}`;
    },
    readFileSync(path, "utf8"),
  );
  writeFileSync(path, renewed);
}
