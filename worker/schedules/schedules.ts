import { anId, anything, aTimestamp, expectKind, given, needed } from "../../src/argument.ts";
import { isoTime } from "../../src/clock.ts";
import { decodeFields } from "../../src/codec/values.ts";
import { DurableError, invalidRequest, isDurableError, notFound } from "../../src/errors.ts";
import { parseRunId, type RunId } from "../../src/ids.ts";
import type { Held } from "../../src/journal/change.ts";
import { getCheckpoint, getRun, readRun } from "../../src/journal/held.ts";
import { aText, type Json, present } from "../../src/json.ts";
import { selected } from "../../src/record/precondition.ts";
import { isTerminal, type RunRecord } from "../../src/record/run.ts";
import type { Fields } from "../../src/record/state.ts";
import { bear } from "../../src/runs/birth.ts";
import { cancelRun } from "../../src/runs/continuation.ts";
import { deleteRun } from "../../src/runs/deletion.ts";
import { goOn } from "../../src/runs/family.ts";
import { changeOnce, idempotencyClaim } from "../../src/runs/idempotency.ts";
import { aPageSize } from "../../src/runs/page.ts";
import type { Runs } from "../../src/runs/runs.ts";
import { type Scope, scopeOf } from "../../src/runs/scope.ts";
import type { Skill } from "../../src/skills/skill.ts";
import { aSkill } from "../../src/skills/skill-kind.ts";
import type { NewSchedule, PastTick, Schedule, Schedules } from "./api.ts";
import { type Memory, mostBackfills, nextOf, overlapped, type Past, paused, type Rules, unpaused } from "./plan.ts";
import { ticksOf } from "./recurrence.ts";
import { parseInputs, recurrenceOf, requestKinds, type ScheduleInputs } from "./request.ts";
import { longestScheduleId, rulesOf, runIdOf, scheduleOf, scheduleSkillId, withSchedule } from "./skill.ts";
import { scheduleField } from "./stored.ts";

/** The most ticks of one backfill. */
const mostBackfilled = 1_000;

/**
 * The schedules of a tenant, in this process.
 *
 * @throws `invalid_request` if these are not the runs of a runtime, such as a client.
 * @example
 * ```ts
 * import { createRuntime } from "orca-durable";
 * import { memoryStore } from "orca-durable/memory";
 * import { schedulesOf, scheduling } from "orca-durable/schedules";
 * import { letter } from "./skills.ts";
 *
 * const runtime = createRuntime({ store: memoryStore(), skills: [letter, scheduling] });
 * const schedules = schedulesOf(runtime.for("acme"));
 * const { nextAt } = await schedules.create({
 *   id: "monday-letter",
 *   skill: letter,
 *   inputs: { to: "Alice" },
 *   cron: "0 9 * * MON",
 *   timeZone: "Europe/Berlin",
 * });
 * console.log(nextAt);
 * ```
 */
export function schedulesOf(runs: Runs): Schedules {
  const scope = scopeOf(runs);
  return {
    create: (request) => create(scope, request),
    async get(scheduleId) {
      const held = await getSchedule(scope, parseRunId(scheduleId, "schedule_id"));
      const { runId } = held.record.run;
      const { state } = await getCheckpoint(scope, runId, selected(held.record, undefined));
      const { inputs } = decodeFields(state.inputs, "inputs") as { readonly inputs?: Fields };
      return { ...shown(held, state.inputs), inputs: inputs ?? {} };
    },
    async list(query = {}) {
      const { after, limit = 100 } = given(query, { after: aText, limit: aPageSize }, "query");
      const page = await runs.list({ skillId: scheduleSkillId, limit, ...present({ after }) });
      const rows = await Promise.all(page.items.map(({ runId }) => readRun(scope, runId)));
      const items = await Promise.all(rows.flatMap((held) => (held === undefined ? [] : [shownLater(scope, held)])));
      return { items, ...present({ next: page.next }) };
    },
    pause: (scheduleId) => changed(scope, scheduleId, (memory, _, now) => paused(memory, now)),
    resume: (scheduleId) => changed(scope, scheduleId, (memory, _, now) => unpaused(memory, now)),
    trigger: (scheduleId, options = {}) => trigger(scope, scheduleId, options),
    async backfill(scheduleId, range) {
      const { from, to } = given(range, { from: needed(aTimestamp), to: aTimestamp }, "range");
      return changed(scope, scheduleId, (memory, { ticks }, now) => {
        const [first, until] = [Number(from), to === undefined ? now : Number(to)];
        if (until > now) throw invalidRequest("to", "expected a time that is past");
        const backfill = { after: first - 1, until };
        let count = 0;
        for (let at = ticks.next(backfill.after); at !== undefined && at <= until; at = ticks.next(at)) count++;
        if (count === 0) throw invalidRequest("from", "the schedule has no tick between these times");
        if (count > mostBackfilled)
          throw invalidRequest("from", `at most ${mostBackfilled} ticks may lie between these times`);
        if (memory.backfills.length >= mostBackfills) {
          throw new DurableError("conflict", `schedule "${scheduleId}" has ${mostBackfills} backfills to do`);
        }
        return { ...memory, backfills: [...memory.backfills, backfill] };
      });
    },
    async delete(scheduleId) {
      const id = parseRunId(scheduleId, "schedule_id");
      await getSchedule(scope, id);
      try {
        // So that the executor that has it lets it go.
        await cancelRun(scope, id, {});
      } catch (error) {
        if (!isDurableError(error, "invalid_transition")) throw error;
      }
      await deleteRun(scope, id, {});
    },
  };
}

async function create<Inputs>(scope: Scope, asked: NewSchedule<Inputs>): Promise<Schedule> {
  const { host } = scope;
  const kinds = { ...requestKinds, skill: anything, skillVersion: anId };
  const { id, skill, skillVersion, inputs, idempotencyKey, ...times } = given<NewSchedule>(
    asked as NewSchedule,
    kinds,
    "request",
  );
  const skillId =
    typeof skill === "string" ? expectKind(skill, anId, "skill") : expectKind(skill as Skill, aSkill, "skill").id;
  if (id !== undefined && id.length > longestScheduleId) {
    throw invalidRequest("id", `expected at most ${longestScheduleId} characters`);
  }
  const request: ScheduleInputs = { skillId, ...present({ skillVersion, inputs }), ...times };
  const { timetable } = parseInputs(request);
  const now = host.clock.now();
  if (ticksOf(recurrenceOf(timetable, now)).next(now) === undefined) {
    throw invalidRequest("cron", "no time matches it any more");
  }
  // The same for each call with an idempotency key, so without what depends on the time.
  const birth = { skillId: scheduleSkillId, inputs: { ...request }, ...present({ runId: id, idempotencyKey }) };
  return shownLater(scope, (await bear(scope, "start", birth)).held);
}

async function getSchedule(scope: Scope, id: RunId): Promise<Held> {
  const held = await getRun(scope, id);
  if (held.record.run.skillId !== scheduleSkillId) throw notFound("run", `there is no schedule "${id}"`);
  return held;
}

/** Changes what a schedule remembers, and lets it go on at once if something is to be done. */
async function changed(
  scope: Scope,
  scheduleId: string,
  decide: (memory: Memory, rules: Rules, now: number) => Memory,
): Promise<Schedule> {
  return (await changedOnce(scope, scheduleId, undefined, (memory, rules, now) => [decide(memory, rules, now), ""]))
    .schedule;
}

async function changedOnce(
  scope: Scope,
  scheduleId: string,
  claim: Parameters<typeof changeOnce>[2],
  decide: (memory: Memory, rules: Rules, now: number) => readonly [Memory, kept: string],
): Promise<{ readonly schedule: Schedule; readonly kept: string }> {
  const id = parseRunId(scheduleId, "schedule_id");
  const outcome = await changeOnce(scope, id, claim, async (held, now) => {
    const { record } = held;
    const { run } = record;
    if (run.skillId !== scheduleSkillId) throw notFound("run", `there is no schedule "${id}"`);
    if (isTerminal(run.status)) {
      throw new DurableError("invalid_transition", `schedule "${id}" has ended: it is ${run.status}`);
    }
    const inputs = await inputsOf(scope, record);
    const { nextAt: _, memory: before, ...stored } = scheduleOf(record, () => inputs);
    const rules = rulesOf(record, { ...stored, memory: before });
    const [memory, kept] = decide(await refreshed(scope, before), rules, now);
    const nextAt = nextOf(memory, rules);
    // Its pass decides what follows, and releases it until its next tick.
    const next = withSchedule(record, { ...stored, memory, ...present({ nextAt }) }, true, now);
    return { change: { record: next, events: [] }, answer: kept, kept };
  });
  const { held } = outcome;
  if (!outcome.isRepeat) await goOn(scope, held);
  return { schedule: await shownLater(scope, held), kept: outcome.isRepeat ? outcome.kept : outcome.answer };
}

/** The memory without a run that has ended, as long as the schedule does not know it. */
async function refreshed(scope: Scope, memory: Memory): Promise<Memory> {
  const { running, ...rest } = memory;
  if (!running?.isBegun) return memory;
  const held = await readRun(scope, parseRunId(running.runId));
  return held === undefined || isTerminal(held.record.run.status) ? rest : memory;
}

async function trigger(scope: Scope, scheduleId: string, options: { readonly idempotencyKey?: string }) {
  const { idempotencyKey } = given(options, { idempotencyKey: anything });
  const claim = await idempotencyClaim(scope, "trigger", idempotencyKey, [scheduleId]);
  const { schedule, kept } = await changedOnce(scope, scheduleId, claim, (memory, rules, now) => {
    const at = Math.max(now, (memory.triggeredAt ?? now) + 1);
    const due = { at, cause: "trigger" } as const;
    const next = overlapped({ ...memory, triggeredAt: at }, due, rules);
    const isSkipped = next.recent.at(-1)?.at === at && next.recent.at(-1)?.cause === "trigger";
    return [next, `${isSkipped ? "skipped" : "started"} ${runIdOf(scheduleId, due)}`];
  });
  const [outcome = ""] = kept.split(" ", 1);
  return { schedule, runId: parseRunId(kept.slice(outcome.length + 1)), isSkipped: outcome === "skipped" };
}

/** The inputs of the run of a schedule, if what it remembers is not in its metadata. */
async function inputsOf(scope: Scope, record: RunRecord<Json>): Promise<Fields<Json>> {
  const { run } = record;
  const { of } = (run.metadata[scheduleField] ?? {}) as { readonly of?: Json };
  return of === run.runId ? {} : (await getCheckpoint(scope, run.runId, selected(record, undefined))).state.inputs;
}

async function shownLater(scope: Scope, held: Held): Promise<Schedule> {
  return shown(held, await inputsOf(scope, held.record));
}

/** A schedule as callers see it. */
function shown({ record }: Held, inputs: Fields<Json>): Schedule {
  const { run } = record;
  const { target, timetable, memory, nextAt } = scheduleOf(record, () => inputs);
  const { pausedAt, running, queue, recent } = memory;
  const isEnded = isTerminal(run.status);
  return {
    scheduleId: run.runId,
    ...target,
    ...timetable,
    status: isEnded ? "ended" : pausedAt === undefined ? "active" : "paused",
    createdAt: run.createdAt,
    ...present({
      pausedAt: pausedAt === undefined ? undefined : isoTime(pausedAt),
      nextAt: nextAt === undefined || isEnded ? undefined : isoTime(nextAt),
      running: running && { runId: parseRunId(running.runId), at: isoTime(running.at), cause: running.cause },
    }),
    queued: queue.length,
    recent: recent.map(shownTick).reverse(),
    ...present({ error: run.error }),
  };
}

function shownTick({ at, cause, outcome, runId, until, message }: Past): PastTick {
  return {
    at: isoTime(at),
    cause,
    outcome,
    ...present({
      runId: runId === undefined ? undefined : parseRunId(runId),
      until: until === undefined ? undefined : isoTime(until),
      message,
    }),
  };
}
