import { anId, anObject, aStepName, expectKind, given, type Kinds, needed } from "../../argument.ts";
import { decodeValue, encodeValue, fieldsOfValue, isTagged, valueOfFields } from "../../codec/values.ts";
import { aDuration, aTimeout, type Duration, durationMs } from "../../duration.ts";
import { DurableError, invalidDefinition } from "../../errors.ts";
import { isId } from "../../ids.ts";
import { at, getOwn, isPlainObject, type Json, type JsonObject, oneOf, present, read, withMember } from "../../json.ts";
import { type ExecutionState, isSettled } from "../../record/state.ts";
import { type Retries, retriesKinds } from "../../retry.ts";
import { type AnyCapability, isCapability } from "../capability.ts";
import type { Skill } from "../skill.ts";
import type {
  Graph,
  InputMapping,
  Output,
  ParsedSource,
  PlannedStep,
  Reference,
  RunAction,
  Scope,
  StepAction,
} from "./planned.ts";

/** The source of a step's input: a reference such as `inputs.text` or `vars.draft.title`, or a literal. */
export type Source = string | Literal;

/** A constant in a mapping; made by {@link literal}. */
export interface Literal {
  readonly [literalMark]: unknown;
}

declare const literalMark: unique symbol;
const literals = new WeakMap<object, unknown>();

/**
 * A constant as a step's input: `input: { limit: literal(5) }`.
 *
 * @example
 * ```ts
 * import { defineGraphSkill, literal } from "orca-durable";
 * import { sendMail } from "./skills.ts";
 *
 * export const greeting = defineGraphSkill({
 *   id: "greeting",
 *   version: "1",
 *   steps: [{ id: "send", uses: sendMail, input: { to: "inputs.to", text: literal("Hello!") } }],
 * });
 * ```
 */
export function literal(value: unknown): Literal {
  const mark = Object.freeze({});
  literals.set(mark, value);
  return mark as Literal;
}

/** The members that every step of a graph has. */
export interface StepBase {
  /** Any text of 1 to 256 characters, unique in the skill. */
  readonly id: string;
  /** Steps that must have settled. Default: the previous step; `[]` means none. */
  readonly dependsOn?: readonly string[];
  /**
   * The step is skipped if this reference is falsy, or if this pure function returns false. A function sees the inputs
   * and the results of the steps that this one depends on; targets that a parallel step may write are left out of its
   * scope.
   */
  readonly when?: string | ((scope: Scope) => boolean);
  /**
   * The targets of the output: one for the whole, or one for each property. Targets are `vars.<name>` and
   * `outputs.<name>`.
   */
  readonly output?: string | Readonly<Record<string, string>>;
  /** `fail` (the default) fails the run; `continue` records the step as degraded and goes on. */
  readonly onFailure?: "fail" | "continue";
}

/** A step that uses a capability. */
export interface CapabilityStep extends StepBase {
  /**
   * The capability, or its id if it is registered elsewhere. The capability that the runtime has registered under that
   * id is called; if there is none, the one in this field.
   */
  readonly uses: string | AnyCapability;
  /** One source for the whole input, or a source for each of its properties. */
  readonly input?: Source | Readonly<Record<string, Source>>;
  /** Overrides those of the capability, member by member. */
  readonly retries?: Retries;
  /** How long one attempt may take. Default: as the capability says. */
  readonly timeout?: Duration;
}

/** A step whose output is the payload of a signal. */
export interface SignalStep extends StepBase {
  readonly waitFor: { readonly signal: string; readonly timeout?: Duration };
}

/** A step that sleeps (a timer). */
export interface SleepStep extends StepBase {
  readonly sleep: Duration;
}

/**
 * A step that starts a run of another skill as a child of this one (a child workflow), and whose output is the child's
 * result. A graph with such steps has `uses: [childRuns]`.
 */
export interface RunStep extends StepBase {
  /** The skill, or its id. It must be registered where this run is executed. */
  readonly run: string | Skill;
  /** The inputs of the child: one source for all of them, or a source for each. */
  readonly input?: Source | Readonly<Record<string, Source>>;
  /**
   * False if the step ends once the child is started; its output is then `{ runId }`. Default true: it ends when the
   * child ends.
   */
  readonly wait?: boolean;
  /** True if the child goes on when its parent is canceled. Default false: it is canceled too. */
  readonly detached?: boolean;
  /** As in the options of `step.run`. */
  readonly replayPolicy?: "use_recorded_result" | "reexecute";
}

/** One step of a graph. */
export type GraphStep = CapabilityStep | SignalStep | SleepStep | RunStep;

/**
 * Parses what a step runs, and how.
 *
 * @throws `invalid_definition` that names the place.
 */
export type ParseRun = (step: Omit<RunStep, keyof StepBase>, place: string) => RunAction;

/**
 * Checks a graph and plans it.
 *
 * @throws `invalid_definition` that names the step and the fault: a duplicate id, an unknown dependency, a cycle, a
 * reference to a target that no earlier step writes, a target that two steps may write at the same time, or that one
 * may read while another writes it.
 */
export function parseGraph(steps: readonly GraphStep[], path: string, parseRun?: ParseRun): Graph {
  if (!Array.isArray(steps)) throw invalidDefinition(path, "expected an array of steps");
  if (steps.length === 0) throw invalidDefinition(path, "expected at least one step");
  const parsed = steps.map((step, index) => {
    const place = at(path, index);
    const parse = () => parseStep(step, steps[index - 1]?.id, place, parseRun);
    return read(place, parse, code);
  });
  const byId = new Map(parsed.map((step) => [step.id, step]));
  if (byId.size < parsed.length) {
    const ids = parsed.map((step) => step.id);
    throw invalidDefinition(path, `duplicate step id "${ids.find((id, index) => ids.indexOf(id) < index)}"`);
  }
  const ordered = inOrder(parsed, byId, path);
  const comesBefore = precedence(ordered);
  const isBeside = (a: ParsedStep, b: ParsedStep) => a !== b && !comesBefore(a, b) && !comesBefore(b, a);
  const writers = new Map<string, ParsedStep[]>();
  for (const step of ordered) {
    for (const target of new Set(step.writes)) writers.set(target, [...(writers.get(target) ?? []), step]);
  }
  for (const [target, of] of writers) {
    for (const [index, step] of of.entries()) {
      const other = of.slice(0, index).find((one) => isBeside(one, step));
      if (other === undefined) continue;
      throw invalidDefinition(path, `steps "${other.id}" and "${step.id}" may both write ${target} at the same time`);
    }
  }
  for (const step of ordered) {
    for (const read of step.reads) {
      const [root = "", name] = read.split(".");
      if (root === "inputs") continue;
      const target = `${root}.${name}`;
      if (name !== undefined && !writers.get(target)?.some((writer) => comesBefore(writer, step))) {
        throw invalidDefinition(path, `step "${step.id}" reads ${read}, which no earlier step writes`);
      }
      // A reference to a whole root reads every target that any step writes there.
      const written = name === undefined ? [...writers.keys()].filter((key) => key.startsWith(`${root}.`)) : [target];
      for (const key of written) {
        const writer = writers.get(key)?.find((one) => isBeside(one, step));
        if (writer === undefined) continue;
        const names = `step "${step.id}" reads ${read} while step "${writer.id}" may write ${key}`;
        throw invalidDefinition(path, `${names}: make one of them depend on the other`);
      }
    }
  }
  const planned = ordered.map((step): PlannedStep => {
    const isHidden = (target: string) => writers.get(target)?.some((writer) => isBeside(writer, step));
    const hidden = typeof step.when === "function" ? [...writers.keys()].filter(isHidden) : [];
    return Object.freeze({ ...step, hidden: new Set(hidden) });
  });
  return Object.freeze({ steps: planned });
}

const code = "invalid_definition";

type ParsedStep = Omit<PlannedStep, "hidden">;

function parseStep(
  step: GraphStep,
  before: string | undefined,
  path: string,
  parseRun: ParseRun | undefined,
): ParsedStep {
  const id = expectKind(expectKind(step, anObject, path, code).id, aStepName, at(path, "id"), code);
  const unknown = Object.keys(step).find((name) => !members.has(name));
  if (unknown !== undefined) {
    throw invalidDefinition(at(path, unknown), `a step has no such member; it has ${[...members].join(", ")}`);
  }
  const place = `${path} "${id}"`;
  const first = before === undefined ? [] : [before];
  const { dependsOn = first, onFailure = "fail", when: on } = given<Common>(step, commonKinds, place, place, code);
  const does = parseAction(step, place, parseRun);
  const { output = {} } = step;
  const outputs = parseOutputs(output, place);
  const when = typeof on === "string" ? parseReference(on, `${place}.when`) : on;
  const sources = "input" in does ? sourcesOf(does.input) : [];
  const references = sources.filter((source) => source.kind === "reference");
  if (when !== undefined && typeof when !== "function") references.push(when);
  return {
    id,
    does,
    dependsOn: Object.freeze([...dependsOn]),
    ...present({ when }),
    outputs,
    onFailure,
    reads: references.map((reference) => reference.text),
    writes: outputs.map((output) => `${output.root}.${output.name}`),
  };
}

type Common = Pick<StepBase, "dependsOn" | "when" | "onFailure">;

const commonKinds: Kinds<Common> = {
  dependsOn: ["an array of step ids", (ids) => Array.isArray(ids) && ids.every((id) => typeof id === "string")],
  onFailure: /* @__PURE__ */ oneOf(["fail", "continue"]),
  when: ["a reference or a function", (when) => typeof when === "string" || typeof when === "function"],
};

/** The members of steps of all kinds. */
const members: ReadonlySet<string> = new Set<MemberOf<GraphStep>>([
  ...(["id", "dependsOn", "when", "output", "onFailure"] as const),
  ...(["uses", "input", "retries", "timeout", "waitFor", "sleep"] as const),
  ...(["run", "wait", "detached", "replayPolicy"] as const),
]);

type MemberOf<Step> = Step extends unknown ? keyof Step : never;

type Times = Pick<CapabilityStep, "retries" | "timeout">;

const timesKinds: Kinds<Times> = { retries: retriesKinds, timeout: aTimeout };
const waitKinds: Kinds<SignalStep["waitFor"]> = { signal: needed(anId), timeout: aDuration };

/** A step before it is known what it does. */
type AnyStep = Partial<CapabilityStep & SignalStep & SleepStep & RunStep>;

function parseAction(step: AnyStep, place: string, parseRun: ParseRun | undefined): StepAction {
  const { uses, input = {}, waitFor, sleep, run } = step;
  const actions = [uses, waitFor, sleep, run].filter((action) => action !== undefined);
  if (actions.length !== 1) throw invalidDefinition(place, "expected exactly one of uses, waitFor, sleep and run");
  if (uses !== undefined) {
    const capability = isCapability(uses) ? uses : undefined;
    const capabilityId = capability === undefined ? uses : capability.definition.id;
    if (!isId(capabilityId)) throw invalidDefinition(`${place}.uses`, "expected a capability or its id");
    return {
      kind: "capability",
      capabilityId,
      ...present({ capability }),
      input: parseInput(input, `${place}.input`),
      ...given<Times>(step, timesKinds, place, place, code),
    };
  }
  if (waitFor !== undefined) {
    const within = `${place}.waitFor`;
    const { signal, timeout } = given(waitFor, waitKinds, within, within, code);
    const unknown = Object.keys(waitFor).find((name) => !Object.hasOwn(waitKinds, name));
    if (unknown !== undefined)
      throw invalidDefinition(at(within, unknown), "expected signal and timeout, and nothing else");
    const timeoutMs = timeout === undefined ? undefined : durationMs(timeout, within);
    return { kind: "signal", name: signal, ...present({ timeoutMs }) };
  }
  if (run !== undefined) {
    if (parseRun === undefined) throw invalidDefinition(`${place}.run`, "the skill needs uses: [childRuns]");
    const action = parseRun({ ...step, run }, place);
    return { kind: "run", ...action, input: parseInput(input, `${place}.input`) };
  }
  return { kind: "sleep", forMs: durationMs(sleep as Duration, `${place}.sleep`, code) };
}

function parseInput(input: NonNullable<CapabilityStep["input"]>, path: string): InputMapping {
  if (typeof input !== "string" && !isPlainObject(input)) {
    throw invalidDefinition(path, "expected a reference, literal(value), or an object of references and literals");
  }
  if (typeof input === "string" || literals.has(input)) return parseSource(input as Source, path);
  return {
    kind: "properties",
    of: Object.entries(input as Readonly<Record<string, Source>>).map(([key, source]) => [
      key,
      parseSource(source, at(path, key)),
    ]),
  };
}

function parseSource(source: Source, path: string): ParsedSource {
  if (typeof source === "string") return parseReference(source, path);
  if (typeof source !== "object" || source === null || !literals.has(source))
    throw invalidDefinition(path, "expected a reference or literal(value)");
  try {
    return { kind: "literal", json: encodeValue(literals.get(source), path) };
  } catch (cause) {
    // The message names the place.
    throw new DurableError("invalid_definition", (cause as Error).message, { path, cause });
  }
}

function parseReference(text: string, path: string): Reference {
  const [root, ...keys] = text.split(".");
  if ((root !== "inputs" && root !== "vars" && root !== "outputs") || keys.includes("")) {
    throw invalidDefinition(
      path,
      `invalid reference "${text}": expected inputs, vars or outputs, then property names, separated by dots`,
    );
  }
  return { kind: "reference", root, path: keys, text };
}

function parseOutputs(output: NonNullable<StepBase["output"]>, place: string): readonly Output[] {
  if (typeof output !== "string" && !isPlainObject(output)) {
    throw invalidDefinition(`${place}.output`, "expected a target, or an object with a target for each property");
  }
  const targets = typeof output === "string" ? [[undefined, output] as const] : Object.entries(output);
  return targets.map(([property, target]) => {
    const [root, name, ...rest] = typeof target === "string" ? target.split(".") : [];
    if ((root !== "vars" && root !== "outputs") || name === undefined || name === "" || rest.length > 0) {
      throw invalidDefinition(
        `${place}.output`,
        `invalid target "${String(target)}": expected vars.<name> or outputs.<name>`,
      );
    }
    return { root, name, ...present({ property }) };
  });
}

function sourcesOf(input: InputMapping): ParsedSource[] {
  return input.kind === "properties" ? input.of.map(([, source]) => source) : [input];
}

function inOrder(steps: readonly ParsedStep[], byId: ReadonlyMap<string, ParsedStep>, path: string): ParsedStep[] {
  const ordered = new Set<ParsedStep>();
  const visit = (step: ParsedStep, trail: readonly string[]): void => {
    if (ordered.has(step)) return;
    if (trail.includes(step.id)) {
      const cycle = [...trail.slice(trail.indexOf(step.id)), step.id];
      throw invalidDefinition(
        path,
        `steps ${cycle.map((id) => `"${id}"`).join(" -> ")} depend on each other in a cycle`,
      );
    }
    for (const id of step.dependsOn) {
      const dependency = byId.get(id);
      if (dependency === undefined)
        throw invalidDefinition(path, `step "${step.id}" depends on "${id}", which is not a step`);
      visit(dependency, [...trail, step.id]);
    }
    ordered.add(step);
  };
  for (const step of steps) visit(step, []);
  return [...ordered];
}

/** Whether one step depends on another, directly or not. `ordered` is in the order of the dependencies. */
function precedence(ordered: readonly ParsedStep[]): (earlier: ParsedStep, later: ParsedStep) => boolean {
  const places = new Map(ordered.map(({ id }, place) => [id, place]));
  // A bit for each pair of steps: sets would take a hundred times the memory, and a search for each pair too long.
  const ancestors = ordered.map(() => new Uint32Array(Math.ceil(ordered.length / 32)));
  for (const [place, { dependsOn }] of ordered.entries()) {
    const own = ancestors[place] as Uint32Array;
    for (const id of dependsOn) {
      const dependency = places.get(id) as number;
      for (const [word, bits] of (ancestors[dependency] as Uint32Array).entries())
        own[word] = (own[word] as number) | bits;
      own[dependency >>> 5] = (own[dependency >>> 5] as number) | (1 << (dependency & 31));
    }
  }
  return (earlier, later) => {
    const [before, after] = [places.get(earlier.id) as number, places.get(later.id) as number];
    return (((ancestors[after] as Uint32Array)[before >>> 5] as number) & (1 << (before & 31))) !== 0;
  };
}

/** Which steps of a graph may run, as others settle. */
export class Frontier {
  /** Steps that may run now, and that have not been taken. */
  readonly ready: PlannedStep[] = [];
  readonly #unmet = new Map<string, number>();
  readonly #dependents = new Map<string, PlannedStep[]>();
  #openCount = 0;

  constructor({ steps }: Graph, state: ExecutionState<Json>) {
    const settled = new Set(steps.map(({ id }) => id).filter((id) => isSettled(getOwn(state.stepResults, id))));
    for (const step of steps) {
      if (settled.has(step.id)) continue;
      this.#openCount++;
      const unmet = new Set(step.dependsOn.filter((id) => !settled.has(id)));
      this.#unmet.set(step.id, unmet.size);
      if (unmet.size === 0) this.ready.push(step);
      for (const id of unmet) this.#dependents.set(id, [...(this.#dependents.get(id) ?? []), step]);
    }
  }

  get isDone(): boolean {
    return this.#openCount === 0;
  }

  settle(id: string): void {
    this.#openCount--;
    for (const step of this.#dependents.get(id) ?? []) {
      const unmet = (this.#unmet.get(step.id) ?? 0) - 1;
      this.#unmet.set(step.id, unmet);
      if (unmet === 0) this.ready.push(step);
    }
  }
}

/** The encoded input of a step. A property whose reference has no value is left out. */
export function resolveInput(input: InputMapping, state: ExecutionState<Json>): Json {
  if (input.kind !== "properties") return resolve(input, state) ?? null;
  const members = input.of.map(([key, source]) => [key, resolve(source, state)] as const);
  return valueOfFields(
    Object.fromEntries(members.filter((member): member is [string, Json] => member[1] !== undefined)),
  );
}

function resolve(source: ParsedSource, state: ExecutionState<Json>): Json | undefined {
  if (source.kind === "literal") return source.json;
  const fields: JsonObject = state[source.root];
  const [name, ...rest] = source.path;
  if (name === undefined) return valueOfFields(fields);
  return rest.reduce<Json | undefined>(
    (json, key) => {
      if (Array.isArray(json)) return (json as readonly Json[])[Number(key)];
      return json === undefined ? undefined : getOwn(fieldsOfValue(json) ?? {}, key);
    },
    getOwn(fields, name),
  );
}

/** True if a reference in `when` holds: present, and not false, 0, "" or null. */
export function isTruthy(reference: Reference, state: ExecutionState<Json>): boolean {
  const json = resolve(reference, state);
  return Boolean(json !== undefined && isTagged(json) ? decodeValue(json, reference.text) : json);
}

/** The state after a step's encoded output was written to its targets. */
export function applyOutput(step: PlannedStep, output: Json, state: ExecutionState<Json>): ExecutionState<Json> {
  let written = state;
  for (const { property, root, name } of step.outputs) {
    const value = property === undefined ? output : getOwn(fieldsOfValue(output) ?? {}, property);
    if (value === undefined) continue;
    const writtenTargets = withTarget(written.writtenTargets, `${root}.${name}`);
    written = { ...written, [root]: withMember(written[root], name, value), writtenTargets };
  }
  return written;
}

/** The sorted targets with this one among them. */
function withTarget(targets: readonly string[], target: string): readonly string[] {
  return targets.includes(target) ? targets : [...targets, target].sort();
}
