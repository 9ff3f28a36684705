import type { CurrentRun } from "../runs/api.ts";
import type { SideEffects } from "../skills/capability.ts";

/**
 * What can be wrong with a skill.
 *
 * - `effect`: a crash repeats an action in a way that its receiver cannot recognize.
 * - `nondeterminism`: the body takes another path, or has another result, when it is called again.
 * - `value`: a value that cannot be stored.
 * - `wait`: the run waits for something that never comes, or does not end.
 * - `end`: the run ends differently when it is disturbed.
 */
export type ProblemKind = (typeof problemKinds)[number];

/** In the order of a report. */
export const problemKinds = ["effect", "nondeterminism", "value", "wait", "end"] as const;

const lineLength = 110;

/** One problem that `checkSkill` found. */
export interface SkillProblem {
  readonly kind: ProblemKind;
  /** The skill of a child run; absent for the skill that is checked. */
  readonly skillId?: string;
  /** The step, if one is known. */
  readonly stepId?: string;
  /** The place of the fault in a value, such as `output.client`. */
  readonly path?: string;
  /** What is wrong, and what to do about it. */
  readonly message: string;
  /** The situation in which it was first seen, such as "stopped after commit 3". */
  readonly when: string;
}

/** The observations of one step that calls an action. */
export interface StepReport {
  /** The skill of a child run; absent for the skill that is checked. */
  readonly skillId?: string;
  readonly stepId: string;
  /** The capability; `step.do` for a callback. */
  readonly uses: string;
  /** The declaration of its author, if any. */
  readonly sideEffects?: SideEffects;
  /** The most calls in one run that returned. More than 1: after a crash it was called again. */
  readonly mostCalls: number;
  /** The most different idempotency keys of such calls in one run. */
  readonly mostKeys: number;
  /** One of its keys, as an example of their form. */
  readonly key: string;
  /** True if its handler read the key in each call. */
  readonly usesKey: boolean;
}

/** The findings of {@link checkSkill}. */
export interface SkillReport {
  /** Empty if nothing was found. */
  readonly problems: readonly SkillProblem[];
  /** In the order in which they were first called. */
  readonly steps: readonly StepReport[];
  /** The undisturbed run, as it ended or as far as it came. */
  readonly run: CurrentRun;
  /** The number of runs that were executed: undisturbed, disturbed, replayed. Their children are not counted. */
  readonly runCount: number;
  /** The whole report in plain English, for a terminal. */
  readonly text: string;
}

/** The report in plain English. */
export function reportText(skillId: string, { problems, steps, run, runCount }: Omit<SkillReport, "text">): string {
  const count = problems.length === 0 ? "no" : String(problems.length);
  const noun = problems.length === 1 ? "problem" : "problems";
  const lines = [
    `skill "${skillId}": ${count} ${noun} found in ${runCount} runs; the undisturbed run ended as ${run.status}`,
  ];
  for (const { kind, skillId: childId, stepId, path, message, when } of problems) {
    const place = stepId === undefined ? "" : ` in step "${stepId}"`;
    const child = childId === undefined ? "" : ` of child "${childId}"`;
    lines.push("", `${kind}${place}${child}${path === undefined ? "" : ` at ${path}`}`);
    lines.push(...wrapped(message), ...wrapped(`First seen: ${when}.`));
  }
  if (steps.length > 0) lines.push("", "steps with a handler or callback");
  for (const { skillId: childId, stepId, uses, sideEffects = "not declared", mostCalls, mostKeys, usesKey } of steps) {
    const child = childId === undefined ? "" : ` of child "${childId}"`;
    const calls = mostCalls === 1 ? "called once" : `called up to ${mostCalls} times in one run`;
    const keys = mostKeys > 1 ? ` under ${mostKeys} keys` : "";
    const key = usesKey ? "reads its key" : "does not read its key";
    lines.push(...wrapped(`${stepId}${child} (${uses}): side effects ${sideEffects}; ${calls}${keys}; ${key}`));
  }
  return lines.join("\n");
}

/** The text in indented lines. */
function wrapped(text: string): readonly string[] {
  const lines: string[] = [];
  let line = " ";
  for (const word of text.split(" ")) {
    if (line.length + word.length >= lineLength && line !== " ") {
      lines.push(line);
      line = " ";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
