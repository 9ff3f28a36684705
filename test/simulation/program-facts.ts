import type { Run } from "../../src/types.ts";
import type { State } from "./history.ts";
import { hasFloat, hasPure, isOfFloat, type Piece, type Program, partsOf, pureMs } from "./program.ts";
import { capabilityId, isOdd } from "./skills.ts";

/** What follows from the programs of a world for the runs of their skills. */
export class ProgramFacts {
  readonly #programs: readonly Program[];

  constructor(programs: readonly Program[]) {
    this.#programs = programs;
  }

  isGraph(skillId: string | undefined): boolean {
    return this.#of(skillId)?.form === "graph";
  }

  /** How many attempts after the first a step may have. */
  retriesOf(skillId: string, stepId: string): number {
    const program = this.#of(skillId);
    if (program === undefined) return 0;
    if (program.form === "graph") {
      const step = program.steps.find(({ id }) => id === stepId);
      return step?.does.kind === "use" ? step.does.plan.retries : 0;
    }
    // Steps share names, and the one with the most attempts bounds them all. A `use` goes by its capability, without any.
    return Math.max(0, ...retriesIn(program.body));
  }

  /** True if the failure of that step fails its run, as it does in a graph without `onFailure: "continue"`. */
  failsRun(skillId: string | undefined, stepId: string): boolean {
    const program = this.#of(skillId);
    if (program?.form !== "graph") return false;
    return program.steps.some(({ id, onFailure }) => id === stepId && onFailure === "fail");
  }

  /** How long its body may work between two steps, in all. */
  pureMs(skillId: string | undefined): number {
    const program = this.#of(skillId);
    return program?.form === "code" ? pureMs(program.body) : 0;
  }

  /** The steps of a graph that have their turn in a state and need a person's permission, with the capability that they need it for. */
  gatesAt(skillId: string | undefined, { stepResults, vars }: State): readonly [stepId: string, capability: string][] {
    const program = this.#of(skillId);
    if (program?.form !== "graph") return [];
    const isDone = (id: string) => stepResults[id]?.status === "completed";
    return program.steps.flatMap(({ id, does, dependsOn, when }, place): [string, string][] => {
      if (does.kind !== "use" || !does.plan.needsConfirmation || Object.hasOwn(stepResults, id)) return [];
      const before = dependsOn ?? program.steps.slice(Math.max(place - 1, 0), place).map(({ id }) => id);
      const holds = when === undefined || isOdd(vars[when.of]) === when.isOdd;
      return before.every(isDone) && holds ? [[id, capabilityId(does.plan)]] : [];
    });
  }

  /**
   * What a run has to end with again. Where a body does pure work, what it saw by its end of branches that float races with
   * that work: "Do not let a step race pure work. The record has no entry for pure work." (docs/code-first.md)
   */
  told({ skillId, result }: Run): unknown {
    const program = this.#of(skillId);
    if (program?.form !== "code" || !hasFloat(program.body) || !hasPure(program.body)) return result;
    const { seen = [], ...rest } = (result ?? {}) as { readonly seen?: readonly string[] };
    return { ...rest, seen: seen.filter((text) => !isOfFloat(text)) };
  }

  #of(skillId: string | undefined): Program | undefined {
    return this.#programs.find(({ id }) => id === skillId);
  }
}

function retriesIn(piece: Piece): readonly number[] {
  if (piece.kind === "do" || piece.kind === "map") return [piece.plan.retries];
  // The step that reads the time has the engine's own default.
  if (piece.kind === "sleep" && piece.isUntil) return [5];
  return partsOf(piece).flatMap(retriesIn);
}
