import type { LiveAttempt } from "./live-steps.ts";
import type { RunLog } from "./run-log.ts";
import {
  isTerminal,
  type JsonObject,
  type RunAnswer,
  type RunEvent,
  type SkillSummary,
  type TraceStep,
  textOf,
} from "./wire.ts";

export type SegmentKind = "attempt" | "failed" | "skipped" | "backoff" | "sleep" | "approval" | "signal" | "now";

/** A stretch of a step's time. Without an end it lasts until now. */
export interface Segment {
  readonly kind: SegmentKind;
  readonly from: number;
  readonly to: number | undefined;
  readonly note: string;
}

export interface Mark {
  readonly kind: "reused" | "effect" | "signal";
  readonly at: number;
}

export type StepStatus =
  | "completed"
  | "degraded"
  | "skipped"
  | "failed"
  | "running"
  | "backing_off"
  | "sleeping"
  | "waiting"
  | "canceled"
  | "carried"
  | "to_come";

/** One step on the timeline: everything that happened to it, in all passes. */
export interface StepRow {
  readonly stepId: string;
  uses: string;
  status: StepStatus;
  attempts: number;
  error: string | undefined;
  readonly segments: Segment[];
  readonly marks: Mark[];
  readonly checkpoints: string[];
  /** Present if the row stands for the steps of a map: how many items it has, and how many are done and have failed. */
  readonly map?: { readonly isOpen: boolean; readonly count: number; readonly done: number; readonly failed: number };
}

/** A moment of the whole run, such as a resume. */
export interface RunMoment {
  readonly at: number;
  readonly type: string;
  readonly label: string;
}

export interface Timeline {
  /** The number of steps; some may be behind one row. */
  readonly count: number;
  readonly rows: readonly StepRow[];
  readonly moments: readonly RunMoment[];
  readonly from: number;
  /** The latest known moment. */
  readonly to: number;
}

const momentLabels: Readonly<Record<string, string>> = {
  "run.resumed": "Resumed",
  "run.approved": "Approved",
  "run.denied": "Denied",
  "run.canceled": "Canceled",
  "run.failed": "Failed",
  "run.completed": "Completed",
  "run.recovered": "Recovered",
  "run.handed_over": "Handed over",
  "run.unserved": "Not served",
  "run.undoing": "Undoing",
  "signal.received": "Signal",
};

/** The steps of a run, derived from its events, in the order in which they began. */
export function timelineOf(
  log: RunLog,
  run: RunAnswer,
  skill: SkillSummary | undefined,
  trace: readonly TraceStep[],
  live: ReadonlyMap<string, LiveAttempt> = new Map(),
): Timeline {
  const reader = new TimelineReader();
  for (const event of log.events) reader.read(event);
  reader.enrich(trace);
  if (run.waiting_on === "executing") reader.begin(live);
  if (skill?.steps) reader.foresee(skill.steps, run);
  if (isTerminal(run.status)) reader.close(run.status === "canceled");
  const from = Math.min(Date.parse(run.created_at), ...log.events.slice(0, 1).map(timeOf));
  const to = reader.last === 0 ? from : reader.last;
  const rows = reader.rows();
  return { count: rows.length, rows, moments: reader.moments, from, to };
}

interface Open {
  readonly at: number;
  readonly attempt: number;
}

class TimelineReader {
  readonly moments: RunMoment[] = [];
  last = 0;
  readonly #rows = new Map<string, StepRow>();
  readonly #open = new Map<string, Open>();
  /** When the last recorded attempt at each step began. */
  readonly #began = new Map<string, number>();
  #revision = "";
  #stepOfRevision: string | undefined;

  read(event: RunEvent): void {
    const { event_type: type, payload } = event;
    const at = timeOf(event);
    this.last = Math.max(this.last, at);
    const revision = event.event_id.slice(0, event.event_id.lastIndexOf(":"));
    if (revision !== this.#revision) this.#stepOfRevision = undefined;
    this.#revision = revision;
    const stepId = textOf(payload, "step_id");
    if (stepId !== undefined && !type.startsWith("run.resumed")) this.#stepOfRevision = stepId;
    const label = momentLabels[type];
    if (label !== undefined) this.moments.push({ at, type, label });
    if (type === "run.approved" || type === "run.denied" || type === "run.canceled") this.#endWaits(at, "approval");
    if (type === "checkpoint.saved" && this.#stepOfRevision !== undefined) {
      const id = textOf(payload, "checkpoint_id");
      if (id !== undefined) this.#row(this.#stepOfRevision).checkpoints.push(id);
    }
    if (stepId !== undefined) this.#readStep(type, payload, this.#row(stepId), at);
  }

  #readStep(type: string, payload: JsonObject, row: StepRow, at: number): void {
    const { stepId, segments } = row;
    row.uses = textOf(payload, "uses") ?? row.uses;
    switch (type) {
      case "step.started": {
        const attempt = Number(payload.attempt ?? 1);
        this.#endWaits(at, "any", stepId);
        this.#open.set(stepId, { at, attempt });
        this.#began.set(stepId, at);
        row.attempts = Math.max(row.attempts, attempt);
        return;
      }
      case "step.completed": {
        this.#endWaits(at, "any", stepId);
        const status = textOf(payload, "status") ?? "completed";
        const open = this.#take(stepId);
        const from = open?.at ?? at - Number(payload.latency_ms ?? 0);
        if (status === "skipped") segments.push({ kind: "skipped", from: at, to: at, note: "skipped" });
        else if (open !== undefined || status === "completed")
          segments.push({ kind: "attempt", from, to: at, note: noteOf(open, status) });
        row.status = status === "degraded" || status === "skipped" ? status : "completed";
        return;
      }
      case "step.failed":
      case "step.retry_scheduled": {
        this.#endWaits(at, "any", stepId);
        const open = this.#take(stepId);
        row.error = textOf(payload, "error");
        segments.push({ kind: "failed", from: open?.at ?? at, to: at, note: row.error ?? "failed" });
        row.status = "failed";
        if (type === "step.failed") return;
        const until = Date.parse(textOf(payload, "retry_at") ?? "");
        segments.push({
          kind: "backoff",
          from: at,
          to: undefined,
          note: `tries again at ${new Date(until).toLocaleTimeString()}`,
        });
        row.status = "backing_off";
        return;
      }
      case "step.sleeping":
        segments.push({ kind: "sleep", from: at, to: undefined, note: `sleeps until ${textOf(payload, "until")}` });
        row.status = "sleeping";
        return;
      case "run.waiting_for_human":
        segments.push({ kind: "approval", from: at, to: undefined, note: "waiting for approval" });
        row.status = "waiting";
        return;
      case "run.waiting_for_signal":
        segments.push({
          kind: "signal",
          from: at,
          to: undefined,
          note: awaited(textOf(payload, "name") ?? ""),
        });
        row.status = "waiting";
        return;
      case "run.failed":
        // The step that the run failed with, also if its own failure was recorded as a result that the body received.
        row.status = "failed";
        row.error ??= textOf(payload, "message");
        return;
      case "signal.delivered":
        row.marks.push({ kind: "signal", at });
        return;
      case "side_effect.recorded":
        row.marks.push({ kind: "effect", at });
        return;
      case "side_effect.reused":
        row.marks.push({ kind: "reused", at });
        return;
    }
  }

  /** Adds the steps that came from another run, and the beginnings of those that failed their run. */
  enrich(trace: readonly TraceStep[]): void {
    const carried: StepRow[] = [];
    for (const step of trace) {
      if (step.step_id === undefined) continue;
      const row = this.#rows.get(step.step_id);
      if (row === undefined) {
        carried.push({ ...emptyRow(step.step_id), uses: step.capability_id ?? "", status: "carried" });
        continue;
      }
      row.uses ||= step.capability_id ?? "";
      const [from, to] = [Date.parse(step.started_at ?? ""), Date.parse(step.ended_at ?? "")];
      const index = row.segments.findLastIndex((segment) => segment.kind === "failed" && segment.from === segment.to);
      const segment = row.segments[index];
      if (segment !== undefined && from < to && to <= (segment.to ?? to)) row.segments[index] = { ...segment, from };
    }
    if (carried.length === 0) return;
    const own = [...this.#rows];
    this.#rows.clear();
    for (const row of carried) this.#rows.set(row.stepId, row);
    for (const [stepId, row] of own) this.#rows.set(stepId, row);
  }

  /** Adds the attempts that are not recorded yet. */
  begin(live: ReadonlyMap<string, LiveAttempt>): void {
    for (const [stepId, { at, attempt, uses }] of live) {
      if (at <= (this.#began.get(stepId) ?? 0)) continue;
      const row = this.#row(stepId);
      this.#endWaits(at, "any", stepId);
      row.uses ||= uses;
      row.attempts = Math.max(row.attempts, attempt);
      row.segments.push({ kind: "now", from: at, to: undefined, note: "running" });
      row.status = "running";
      this.last = Math.max(this.last, at);
    }
  }

  /** Adds the steps of a graph that have not started. A step with no open dependency is shown as running. */
  foresee(steps: NonNullable<SkillSummary["steps"]>, run: RunAnswer): void {
    const isSettled = (stepId: string) => settled.has(this.#rows.get(stepId)?.status ?? "to_come");
    const isExecuting = run.status === "running" || run.status === "replaying";
    for (const { step_id: stepId, depends_on: before = [] } of steps) {
      if (this.#rows.has(stepId) && this.#rows.get(stepId)?.status !== "failed") continue;
      const isReady = before.every(isSettled);
      const row = this.#row(stepId);
      if (!isExecuting || !isReady) {
        if (row.segments.length === 0) row.status = "to_come";
        continue;
      }
      const began = Math.max(Date.parse(run.started_at ?? run.created_at), this.#endOf(before), this.#lastResume());
      row.segments.push({ kind: "now", from: began, to: undefined, note: "running" });
      row.status = "running";
    }
  }

  /** Ends every open stretch of a run that has ended. */
  close(isCanceled: boolean): void {
    for (const row of this.#rows.values()) {
      const isOpen = row.segments.some(({ to }) => to === undefined);
      if (!isOpen) continue;
      this.#endWaits(this.last, "any", row.stepId);
      if (isCanceled) row.status = "canceled";
    }
  }

  rows(): readonly StepRow[] {
    return [...this.#rows.values()];
  }

  #endOf(stepIds: readonly string[]): number {
    const ends = stepIds.flatMap((stepId) => this.#rows.get(stepId)?.segments.at(-1)?.to ?? []);
    return Math.max(0, ...ends);
  }

  #lastResume(): number {
    return this.moments.findLast(({ type }) => type === "run.resumed")?.at ?? 0;
  }

  #row(stepId: string): StepRow {
    const known = this.#rows.get(stepId);
    if (known !== undefined) return known;
    const row = emptyRow(stepId);
    this.#rows.set(stepId, row);
    return row;
  }

  #take(stepId: string): Open | undefined {
    const open = this.#open.get(stepId);
    this.#open.delete(stepId);
    return open;
  }

  #endWaits(at: number, kind: "approval" | "any", stepId?: string): void {
    const rows = stepId === undefined ? this.#rows.values() : [this.#row(stepId)];
    for (const { segments } of rows) {
      for (const [index, segment] of segments.entries()) {
        if (segment.to === undefined && (kind === "any" || segment.kind === kind)) {
          segments[index] = { ...segment, to: Math.max(at, segment.from) };
        }
      }
    }
  }
}

const settled: ReadonlySet<StepStatus> = new Set(["completed", "degraded", "skipped", "carried"]);

function emptyRow(stepId: string): StepRow {
  return {
    stepId,
    uses: "",
    status: "running",
    attempts: 0,
    error: undefined,
    segments: [],
    marks: [],
    checkpoints: [],
  };
}

function noteOf(open: Open | undefined, status: string): string {
  return open === undefined || open.attempt <= 1 ? status : `${status}, attempt ${open.attempt}`;
}

/** A parent waits for its child under the child's id, with a mark that no signal has. */
function awaited(name: string): string {
  return name.startsWith("→ ") ? `waiting for the child run ${name.slice(2)}` : `waiting for the signal “${name}”`;
}

function timeOf({ occurred_at: iso }: RunEvent): number {
  return Date.parse(iso);
}
