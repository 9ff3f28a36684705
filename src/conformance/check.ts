import { aLength, anArray, expectKind, given, type Kinds, withMethods } from "../argument.ts";
import { invalidRequest, shown } from "../errors.ts";
import { aText, read } from "../json.ts";
import type { ConformanceCase, StoreHarness } from "./case.ts";
import { storeCases } from "./cases/index.ts";

/** A case that an adapter cannot pass, and why. Publish the list with the adapter. */
export interface Exemption {
  /** The id of the case. */
  readonly case: string;
  readonly because: string;
}

/** The options of `checkStore`. */
export interface CheckOptions {
  /** Cases that are not run. */
  readonly exemptions?: readonly Exemption[];
  /** The ids of the only cases to run. */
  readonly only?: readonly string[];
  /** The number of milliseconds after which a case fails. Default 60,000. */
  readonly timeoutMs?: number;
}

const kinds: Kinds<CheckOptions> = { exemptions: anArray, only: anArray, timeoutMs: aLength };

/** The result of `checkStore`. */
export interface ConformanceReport {
  readonly passed: number;
  readonly failed: number;
  readonly exempt: number;
  readonly results: readonly CaseResult[];
}

/** A case that was run. */
export interface CaseRun {
  readonly id: string;
  readonly clause: string;
  readonly durationMs: number;
}

/** The result of a case, as plain JSON data. */
export type CaseResult =
  | (CaseRun & { readonly outcome: "passed" })
  | (CaseRun & { readonly outcome: "failed"; readonly error: string })
  | (CaseRun & { readonly outcome: "exempt"; readonly because: string });

/**
 * Runs the cases one after the other and reports on each; a failing case does not stop the rest.
 *
 * @throws `invalid_request` for an exemption, or an id in `only`, that names no case.
 * @example
 * ```ts
 * import { checkStore } from "orca-durable/conformance";
 * import { memoryStore } from "orca-durable/memory";
 *
 * const report = await checkStore({
 *   fresh: async () => {
 *     const data = new Map();
 *     return { open: async () => memoryStore({ data }) };
 *   },
 * });
 * console.log(report.results.filter(({ outcome }) => outcome === "failed"));
 * ```
 */
export async function checkStore(harness: StoreHarness, options: CheckOptions = {}): Promise<ConformanceReport> {
  expectKind(harness, withMethods("fresh"), "harness");
  const { exemptions = [], timeoutMs = 60_000, ...rest } = given(options, kinds);
  const only = rest.only && read("only", () => [...(rest.only ?? [])]);
  const known = storeCases.map((one) => one.id);
  const reasons = read("exemptions", () => {
    return new Map(exemptions.map((exemption) => [exemption.case, expectKind(exemption.because, aText, "because")]));
  });
  for (const id of [...reasons.keys(), ...(only ?? [])]) {
    if (!known.includes(id)) throw invalidRequest("case", `unknown case ${shown(id)}`);
  }
  const results: CaseResult[] = [];
  for (const one of storeCases) {
    if (only !== undefined && !only.includes(one.id)) continue;
    const { id, clause } = one;
    const because = reasons.get(id);
    if (because === undefined) results.push(await check(one, harness, timeoutMs));
    else results.push({ id, clause, durationMs: 0, outcome: "exempt", because });
  }
  const count = (outcome: CaseResult["outcome"]) => results.filter((result) => result.outcome === outcome).length;
  return { passed: count("passed"), failed: count("failed"), exempt: count("exempt"), results };
}

async function check(one: ConformanceCase, harness: StoreHarness, timeoutMs: number): Promise<CaseResult> {
  const { id, clause } = one;
  const startedAt = performance.now();
  const took = () => Math.round(performance.now() - startedAt);
  try {
    await within(timeoutMs, one.run(harness));
  } catch (fault) {
    return { id, clause, durationMs: took(), outcome: "failed", error: describe(fault) };
  }
  return { id, clause, durationMs: took(), outcome: "passed" };
}

/** A store whose promise never settles must not stop the report. */
async function within(timeoutMs: number, work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function describe(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault);
  const name = fault.name === "Error" ? "" : `${fault.name}: `;
  return `${name}${fault.message}${fault.cause === undefined ? "" : `, because ${describe(fault.cause)}`}`;
}
