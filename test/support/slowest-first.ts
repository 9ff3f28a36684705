import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";

/** The files that take longest, in that order, as `npm test` prints them at its end. */
const slow = [
  "system/service-worker",
  "system/presence",
  "system/inspector-worker",
  "system/deploy",
  "system/page",
  "system/example-offline",
  "system/verify",
  "system/inspector-looks",
  "system/inspector-service-worker",
  "docs/code-blocks",
  "system/inspector-rows",
  "system/tutorial",
  "simulation/planted",
  "system/scheduled",
  "system/example-browser",
  "system/demo",
  "system/kill",
  "system/engines",
  "docs/api",
  "simulation/simulation",
  "http/contract.browser",
  "media/crash-matrix",
  "media/snapshots",
  "http/contract.workerd",
  "http/fuzz",
  "media/runtime",
  "core/testing-check",
  "media/races",
].map((name) => `test/${name}.`);

/**
 * Begins with the slowest files of each project, so that no one of them is left at the end while the other core stands still.
 * Vitest alone would know them only after a run on the same machine.
 */
export class SlowestFirst extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(specifications);
    const projects = Map.groupBy(sorted, ({ project }) => project);
    return [...projects.values()].flatMap((files) => files.toSorted((a, b) => rank(a) - rank(b)));
  }
}

function rank({ moduleId }: TestSpecification): number {
  const place = slow.findIndex((name) => moduleId.includes(name));
  return place === -1 ? slow.length : place;
}
