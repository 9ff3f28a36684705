import { decodeFields } from "../../src/codec/values.ts";
import { complete } from "../../src/engine/ending.ts";
import { isMediumFault } from "../../src/engine/kernel.ts";
import type { Pass } from "../../src/engine/pass.ts";
import { DurableError, isDurableError } from "../../src/errors.ts";
import { parseRunId, type TenantId } from "../../src/ids.ts";
import type { Held } from "../../src/journal/change.ts";
import { readRun } from "../../src/journal/held.ts";
import { type Json, present } from "../../src/json.ts";
import { isTerminal, type RunRecord, type Wait, withoutLease } from "../../src/record/run.ts";
import type { ExecutionState, Fields } from "../../src/record/state.ts";
import { endOfChild } from "../../src/record/waiting.ts";
import { bear } from "../../src/runs/birth.ts";
import { asPlace, cancelChild, familyOf } from "../../src/runs/family.ts";
import type { Scope } from "../../src/runs/scope.ts";
import type { Schema } from "../../src/schema.ts";
import { type Skill, skillWith } from "../../src/skills/skill.ts";
import { type Due, decided, type Memory, newMemory, nextOf, past, type Rules, type Running } from "./plan.ts";
import { type Ticks, ticksOf } from "./recurrence.ts";
import { parseInputs, recurrenceOf, type ScheduleInputs } from "./request.ts";
import { readStored, type Stored, scheduleField, writeStored } from "./stored.ts";

// A schedule is a run that never ends by itself. Its row has the time of its next tick, at which a drain takes it. A pass
// notes a run in the row, starts it, and releases the row until the next tick, or until that run ends: like the end of a
// child, that wakes it. No commit of a tick has a checkpoint or an event, so the history does not grow.

/** The skill of the runs that are schedules. */
export const scheduleSkillId = "orca.schedule";

const inputsSchema: Schema<Fields> = {
  "~standard": {
    version: 1,
    vendor: "orca-durable",
    validate(value) {
      try {
        parseInputs(value as ScheduleInputs);
        return { value: value as Fields };
      } catch (error) {
        if (!isDurableError(error)) throw error;
        const { path = "", message } = error;
        return { issues: [{ message, ...(path !== "" && { path: [path] }) }] };
      }
    },
  },
};

/**
 * The skill that executes schedules: a runtime that is to start the runs of schedules has it among its `skills`. Schedules
 * are made by {@link schedulesOf}.
 *
 * @example
 * ```ts
 * import { createRuntime } from "orca-durable";
 * import { memoryStore } from "orca-durable/memory";
 * import { scheduling } from "orca-durable/schedules";
 * import { letter } from "./skills.ts";
 *
 * export const runtime = createRuntime({ store: memoryStore(), skills: [letter, scheduling] });
 * ```
 */
export const scheduling: Skill<never, null> = ofTypes(
  skillWith(
    { id: scheduleSkillId, version: "1", description: "Starts runs of a skill at its times.", inputs: inputsSchema },
    () => ({
      kind: "code",
      run: async () => {
        throw new DurableError("unsupported", "a schedule is executed by a runtime alone");
      },
      execute: executeSchedule,
      family: familyOf,
    }),
  ),
);

// The run of a schedule has no result.
function ofTypes(skill: Skill): Skill<never, null> {
  return skill as Skill<never, null>;
}

/** What the run of a schedule says of it. */
export function scheduleOf(record: RunRecord<Json>, inputs: () => Fields<Json>): Stored {
  const { run } = record;
  const stored = readStored(run.metadata[scheduleField]);
  if (stored?.of === run.runId) return stored;
  const { target, timetable } = parseInputs(decodeFields(inputs(), "inputs") as unknown as ScheduleInputs);
  const createdAt = Date.parse(run.createdAt);
  const nextAt = ticksOf(recurrenceOf(timetable, createdAt)).next(createdAt);
  return { of: run.runId, target, timetable, memory: newMemory(createdAt), ...present({ nextAt }) };
}

/** How the schedule of that run decides. */
export function rulesOf({ run }: RunRecord<Json>, { timetable }: Stored): Rules {
  const ticks = ticksOf(recurrenceOf(timetable, Date.parse(run.createdAt)));
  return { ...timetable, ticks: cached(ticks), runIdOf: (due) => runIdOf(run.runId, due) };
}

/** A plan asks for the next tick several times, and a zone makes that slow. */
function cached(ticks: Ticks): Ticks {
  let known: { readonly after: number; readonly next: number | undefined } | undefined;
  return {
    last: (count, until) => ticks.last(count, until),
    next(after) {
      if (known?.after !== after) known = { after, next: ticks.next(after) };
      return known.next;
    },
  };
}

/** The longest id of a schedule: the ids of its runs are longer. */
export const longestScheduleId = 150;

/** The same for each attempt to start the run of this tick, and different for every other. */
export function runIdOf(scheduleId: string, { at, cause }: Due): string {
  return `${scheduleId}@${new Date(at).toISOString()}${cause === "trigger" ? "!" : ""}`;
}

/** The record with that schedule, due at the time of its next tick, or at once. It keeps the lease that it has. */
export function withSchedule(record: RunRecord<Json>, schedule: Stored, isDue: boolean, now: number): RunRecord<Json> {
  const { run, wakeAt: _, ...rest } = record;
  const { running } = schedule.memory;
  const json = writeStored(schedule);
  const wakeAt = isDue ? now : schedule.nextAt;
  return {
    ...rest,
    run: { ...run, metadata: { ...run.metadata, [scheduleField]: json } },
    waits: running === undefined ? [] : [waitFor(record, running)],
    ...present({ wakeAt }),
  };
}

function waitFor({ waits }: RunRecord<Json>, { runId }: Running): Wait {
  const name = endOfChild(parseRunId(runId));
  return waits.find((wait) => wait.kind === "signal" && wait.name === name) ?? { kind: "signal", stepId: "tick", name };
}

/** True if what the schedule has noted is still to be done. */
function isAtWork({ canceling, running }: Memory): boolean {
  return canceling.length > 0 || running?.isBegun === false;
}

/** What became of the run that a schedule has noted. */
type Fact = { readonly kind: "going" | "ended" } | { readonly kind: "failed"; readonly message: string };

async function executeSchedule(pass: Pass): Promise<void> {
  const { family } = pass.host;
  if (family === undefined) throw new DurableError("internal_error", "this runtime has no schedules");
  const { run } = pass.record;
  const scope: Scope = { ...asPlace(family.place), tenant: run.tenantId as TenantId };
  const inputs = () => pass.state.inputs;
  const rules = rulesOf(pass.record, scheduleOf(pass.record, inputs));
  for (;;) {
    const before = scheduleOf(pass.record, inputs);
    const { running, canceling } = before.memory;
    for (const runId of canceling) await cancelChild(scope, parseRunId(runId));
    const fact = running && (await begin(scope, pass, before, running));
    let isReleased = false;
    let isOver = false;
    await pass.commit((record, _state, now) => {
      isReleased = false;
      const { nextAt: _, memory: noted, ...found } = scheduleOf(record, inputs);
      const memory = decided(learned(noted, running, fact, canceling), rules, now);
      const nextAt = nextOf(memory, rules);
      // It waits first and looks at the run after that, as a parent does.
      const isTold = record.waits.some((wait) => wait.kind === "signal" && wait.until !== undefined);
      const isMore = isAtWork(memory) || (isTold && memory.running !== undefined);
      const schedule: Stored = { ...found, memory, ...present({ nextAt }) };
      const next = withSchedule({ ...record, waits: isTold ? [] : record.waits }, schedule, isMore, now);
      isOver = nextAt === undefined && memory.pausedAt === undefined && memory.running === undefined && !isMore;
      if ((isMore && !pass.isSpent) || isOver) return { record: next, events: [] };
      isReleased = true;
      return { record: { ...withoutLease(next), ...present({ wakeAt: next.wakeAt }), recoveries: 0 }, events: [] };
    });
    if (isReleased) return;
    if (isOver) return complete(pass, (state: ExecutionState<Json>) => ({ state, result: null }));
  }
}

/** The memory with what was found out about the run that it has noted. */
function learned(
  memory: Memory,
  running: Running | undefined,
  fact: Fact | undefined,
  canceled: readonly string[],
): Memory {
  const canceling = memory.canceling.filter((runId) => !canceled.includes(runId));
  if (running === undefined || fact === undefined) return { ...memory, canceling };
  const { at, cause, runId } = running;
  const isStarted = !running.isBegun;
  const outcome = { at, cause, runId };
  const told =
    fact.kind === "failed"
      ? past(memory, { ...outcome, outcome: "failed", message: fact.message })
      : isStarted
        ? past(memory, { ...outcome, outcome: "started" })
        : memory;
  // It may have been canceled in favor of a later one meanwhile.
  if (memory.running?.runId !== runId) return { ...told, canceling };
  const { running: _, ...rest } = told;
  return { ...rest, canceling, ...(fact.kind === "going" && { running: { ...running, isBegun: true } }) };
}

/** Starts the run that was noted, unless it was started before, and finds out what has become of it. */
async function begin(scope: Scope, pass: Pass, { of, target }: Stored, running: Running): Promise<Fact> {
  const { host, executor } = scope;
  const runId = parseRunId(running.runId);
  const find = async () => factOf(await readRun(scope, runId), of);
  const found = await find();
  if (found !== undefined) return found;
  if (running.isBegun) return { kind: "ended" };
  const { skillId, skillVersion } = target;
  // Where the skill is not registered, the run waits for an executor that has it.
  const isHere = executor.skills.find(skillId, skillVersion) !== undefined;
  const { inputs = {} } = decodeFields(pass.state.inputs, "inputs") as { readonly inputs?: Fields };
  const metadata = { schedule_id: of, scheduled_at: new Date(running.at).toISOString() };
  const request = { skillId, ...present({ skillVersion }), runId, inputs, metadata, ...(!isHere && { delay: 0 }) };
  try {
    await bear(scope, isHere ? "start" : "create", request, { parentRunId: parseRunId(of) });
    return { kind: "going" };
  } catch (error) {
    if (!isDurableError(error)) throw error;
    if (isMediumFault(error) && error.code !== "quota_exceeded") throw error;
    // An executor that had the schedule before has started it meanwhile.
    const other = error.code === "conflict" ? await find() : undefined;
    if (other !== undefined) return other;
    host.onError(error, { runId: of, skillId });
    return { kind: "failed", message: error.message.slice(0, 200) };
  }
}

function factOf(held: Held | undefined, scheduleId: string): Fact | undefined {
  if (held === undefined) return undefined;
  const { runId, parentRunId, status } = held.record.run;
  if (parentRunId !== scheduleId) return { kind: "failed", message: `run id "${runId}" is taken by another run` };
  return { kind: isTerminal(status) ? "ended" : "going" };
}
