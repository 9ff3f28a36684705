import { isDeepStrictEqual } from "node:util";
import { isRepeatedRun } from "./families.ts";
import {
  type Accepted,
  eventTypes,
  type History,
  isMigration,
  ledgerEntry,
  passKinds,
  type Record_,
  type State,
} from "./history.ts";
import type { Act } from "./outside.ts";
import type { Promptness } from "./promptness.ts";
import type { Subject } from "./subject.ts";
import type { Transfers } from "./transfers.ts";
import { healthy, type World } from "./world.ts";

/** Codes with which a run of a generated skill may fail. None of them is the engine's own fault. */
const honestFailures: readonly string[] = [
  "step_failed",
  "body_failed",
  "step_timeout",
  "invalid_output",
  "nested_step",
];

/** Codes with which a parent may fail because of its children. */
const failuresOfChildren: readonly string[] = ["run_failed", "run_canceled", "not_found"];

/** What commits are judged by beside the history itself. */
interface Facts {
  /** Absent if faults may hold things up. */
  readonly promptness: Promptness | undefined;
  /** True if a live lease may be taken, since its holder is known to be gone. */
  readonly hasPresence: boolean;
  readonly world: World;
  readonly subject: Subject;
  readonly history: History;
  readonly acts: readonly Act[];
  /** True if a body of that run has ended under that epoch: what it left waiting is waited for no more. */
  hasEnded(runKey: string, epoch: number): boolean;
  /** What came by imports. */
  readonly transfers: Transfers;
  /** How many runs a tenant may have. */
  readonly mostRuns: { readonly tenant: string; readonly runs: number } | undefined;
  /** How many attempts after the first a step may have, by skill and by the step's name. */
  retriesOf(skillId: string, stepId: string): number;
}

/** Judges each commit that the medium accepts, by the promises that can be seen in the rows alone. */
export class CommitJudge {
  readonly #facts: Facts;
  /** The end of a wait, by run, line and step, as it was first written. */
  readonly #ends = new Map<string, number>();
  /** The lines that begin with a saved state. */
  readonly #savedLines = new Set<string>();
  readonly #retries = new Map<string, number>();
  /** The children that were born, by the step of their parent. */
  readonly #children = new Map<string, readonly string[]>();
  /** Approvals that opened a gate, by run and revision. */
  readonly #used = new Set<string>();
  readonly #chunks = new Set<string>();
  /** When the delayed runs that have not begun are to begin. */
  readonly #delays = new Map<string, number>();
  readonly #parts = new Map<string, readonly string[]>();

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  judge(commit: Accepted): void {
    const { before, isHidden, isArrival, runKey } = commit;
    this.#revisions(commit);
    if (isHidden) {
      if (before !== undefined && !before.isHidden)
        this.#violate("deleted-stays-deleted", commit, "is an import over a run");
      return;
    }
    if (isArrival) {
      this.#claims(commit);
      this.#quota(commit);
      this.#facts.transfers.judge(commit);
      // What a descendant was born with was decided in the life of its source, wherever that is.
      for (const past of this.#facts.history.lives.get(runKey)?.commits ?? []) {
        if (past.before !== undefined) this.#gates(past);
      }
      if (commit.record !== undefined) this.#waits(commit, commit.record);
      return;
    }
    if (commit.record === undefined) {
      const lease = before?.record?.lease;
      if (lease === undefined || lease.endsAt <= commit.decidedAt) return;
      this.#violate(
        "live-leases-are-respected",
        commit,
        `deletes the run under ${lease.executor}, whose lease is live`,
      );
      return;
    }
    this.#claims(commit);
    if (before === undefined) {
      this.#birth(commit);
      return;
    }
    const from = before.record;
    if (from === undefined) {
      this.#violate("deleted-stays-deleted", commit, "comes after its tombstone");
      return;
    }
    this.#lifecycle(commit, from, commit.record);
    this.#version(commit, from, commit.record);
    this.#holds(commit, from, commit.record);
    this.#delay(commit, from, commit.record);
    this.#head(commit, from, commit.record);
    this.#signals(commit, from, commit.record);
    this.#waits(commit, commit.record);
    this.#gates(commit);
    this.#decisions(commit, from, commit.record);
    this.#families(commit, from, commit.record);
    this.#failures(commit, commit.record);
    this.#undoing(commit, commit.record);
    this.#outputs(commit, commit.record);
    this.#facts.promptness?.judge(commit, commit.record);
  }

  /** An approval opens one gate, and no gate opens without one. */
  #gates(commit: Accepted): void {
    // A state that a resume goes back to has the gates that were opened on the way to it.
    if (commit.entry?.checkpoint?.kind === "run_resumed") return;
    const commits = this.#facts.history.lives.get(commit.runKey)?.commits ?? [];
    for (const { stepId, uses, status, producedOutput } of newResults(commit)) {
      if (uses !== "step.waitForApproval" || status !== "completed") continue;
      const { approver } = producedOutput as { readonly approver?: unknown };
      const key = (revision: number) => `${commit.runKey}/${revision}/${stepId}`;
      const approval = commits.find(
        ({ revision, entry }) =>
          !this.#used.has(key(revision)) &&
          entry?.events.some(
            ({ type, payload }) =>
              type === "run.approved" && payload.step_id === stepId && payload.approver === approver,
          ),
      );
      if (approval === undefined) {
        this.#violate("an-approval-opens-one-gate", commit, `opens "${stepId}" by ${String(approver)}, who did not`);
      } else this.#used.add(key(approval.revision));
    }
  }

  /** What a person has decided at a gate stays until its step goes on with it. */
  #decisions(commit: Accepted, from: Record_, to: Record_): void {
    const kind = commit.entry?.checkpoint?.kind;
    // A resume from an older checkpoint takes back what came after it, and so does an edited state.
    const isTakenBack =
      kind === "run_resumed"
        ? eventTypes(commit).includes("run.resumed") && to.run.resumeFromCheckpointId !== from.run.checkpointHead
        : kind !== undefined && !passKinds.has(kind);
    if (isEnd(to) || isTakenBack || this.#facts.hasEnded(commit.runKey, to.epoch)) return;
    const settled = new Set(newResults(commit).map(({ stepId }) => stepId));
    const tried = new Set(commit.claims.map((claim) => ledgerEntry(claim)?.stepId));
    for (const wait of from.waits) {
      if (wait.kind !== "approval" || wait.decision === undefined) continue;
      const { stepId } = wait;
      const isKept = to.waits.some((kept) => isDeepStrictEqual(kept, wait));
      if (isKept || settled.has(stepId) || tried.has(stepId)) continue;
      this.#violate("decisions-are-kept", commit, `forgets what was decided at "${stepId}"`);
    }
  }

  #violate(invariant: string, commit: Accepted, what: string): void {
    const { runKey, revision, process } = commit;
    this.#facts.world.violate(invariant, `revision ${revision} of ${runKey}, by ${process.name}, ${what}`);
  }

  #revisions(commit: Accepted): void {
    const { before, revision, record, row, over } = commit;
    if ((commit.commit.over ?? revision - 1) !== over || revision <= over) {
      this.#violate("revisions-grow", commit, `stands on ${over}`);
    }
    if (before === undefined || record === undefined) return;
    if (row.createdAt !== before.row.createdAt) this.#violate("revisions-grow", commit, "has another time of birth");
    if (record.epoch < (before.record?.epoch ?? 0)) this.#violate("revisions-grow", commit, "takes its epoch back");
  }

  /** A newborn is a copy of what it descends from, with what that has done to the world. */
  #birth(commit: Accepted): void {
    const { history } = this.#facts;
    const { record, runKey, tenant } = commit;
    this.#quota(commit);
    if (record !== undefined) this.#childBirth(commit, record);
    if (record?.run.status === "pending" && record.wakeAt !== undefined) this.#delays.set(runKey, record.wakeAt);
    const { source_run_id: source, source_checkpoint_id: checkpoint } = record?.run.metadata ?? {};
    if (typeof source !== "string") return;
    const origin = history.lives
      .get(`${tenant}/${source}`)
      ?.commits.find(({ entry }) => entry?.checkpoint?.checkpointId === checkpoint);
    if (!isDeepStrictEqual(origin?.state, commit.state)) {
      this.#violate("descent-copies", commit, `is not checkpoint ${String(checkpoint)} of ${source}`);
    }
    if (record?.isEditPending === true && record.confirmed.length > 0) {
      this.#violate("descent-copies", commit, "takes confirmations along to edited mail");
    }
    const inherited = commit.claims.flatMap((claim) => ledgerEntry(claim) ?? []);
    for (const [key, { stepId, requestHash, status }] of history.effects) {
      if (!key.startsWith(`${tenant}/${source}/`) || status !== "recorded") continue;
      // What the checkpoint has behind it was recorded with it, or before.
      if (!["completed", "degraded"].includes(origin?.state?.stepResults[stepId]?.status ?? "")) continue;
      const isHere = inherited.some((entry) => entry.stepId === stepId && entry.requestHash === requestHash);
      if (!isHere) this.#violate("descent-copies", commit, `knows nothing of what step "${stepId}" of ${source} did`);
    }
  }

  /** A runtime lets no more in than fit; those of others, born within five seconds and what the medium takes, it may not know. */
  #quota(commit: Accepted): void {
    const { mostRuns, history } = this.#facts;
    const { tenant, process, at } = commit;
    if (mostRuns?.tenant !== tenant || process.name === healthy) return;
    const others = [...history.lives.values()].filter(({ key, commits }) => {
      const [birth, last] = [commits.find(({ record }) => record !== undefined), commits.at(-1)];
      const isKnown = birth !== undefined && (birth.process === process || birth.at < at - 30_000);
      return isKnown && key.startsWith(`${tenant}/`) && key !== commit.runKey && last?.record !== undefined;
    });
    if (others.length < mostRuns.runs) return;
    this.#violate("quotas-are-kept", commit, `is born beside ${others.length} runs, of at most ${mostRuns.runs}`);
  }

  /** "A run that has reached a later version does not return to an earlier one as long as the later one is registered." (docs/state.md) */
  #version(commit: Accepted, from: Record_, to: Record_): void {
    if (!commit.process.hasSecond || from.run.skillVersion !== "2" || to.run.skillVersion === "2") return;
    this.#violate("names-follow-versions", commit, `returns to version ${to.run.skillVersion} of its skill`);
  }

  #lifecycle(commit: Accepted, from: Record_, to: Record_): void {
    const [before, after] = [from.run.status, to.run.status];
    if (before === after && !(before === "completed" && commit.entry !== undefined)) return;
    const allowed: readonly string[] = Object.values(this.#facts.subject.codec.lifecycle[before]);
    if (!allowed.includes(after)) this.#violate("lifecycle-is-kept", commit, `takes a run from ${before} to ${after}`);
  }

  /** One executor: each hold has its own epoch, and what moves a head or a lease ends the hold of its executor. */
  #holds(commit: Accepted, from: Record_, to: Record_): void {
    const { executor } = commit;
    const [had, has] = [from.lease, to.lease];
    const isNew = has !== undefined && has.executor !== had?.executor;
    if (isNew && to.epoch <= from.epoch)
      this.#violate("each-hold-has-its-epoch", commit, "takes a lease under an old epoch");
    if (isNew && commit.isStopped) {
      this.#violate("stop-means-stopped", commit, "takes a lease after stop() resolved");
    }
    if (to.epoch > from.epoch && has !== undefined && has.executor !== executor) {
      this.#violate("each-hold-has-its-epoch", commit, `gives a lease to ${has.executor}`);
    }
    const isMoved = to.run.checkpointHead !== from.run.checkpointHead || !isDeepStrictEqual(had, has);
    const isRecovery = to.run.error?.code === "recovery_exhausted";
    if (
      had !== undefined &&
      had.executor !== executor &&
      isMoved &&
      to.epoch === from.epoch &&
      !isEnd(to) &&
      !isRecovery
    ) {
      this.#violate("head-moves-end-holds", commit, `leaves the hold of ${had.executor} under epoch ${from.epoch}`);
    }
    const types = eventTypes(commit);
    const isAsked = types.includes("run.resumed") && !types.includes("run.approved");
    const kind = commit.entry?.checkpoint?.kind;
    const isOfPass = kind !== undefined && passKinds.has(kind);
    const isSaved = kind !== undefined && !isOfPass && types.length === 1;
    const isTaken = isNew && !this.#facts.hasPresence;
    if (had !== undefined && had.endsAt > commit.decidedAt && (isAsked || isSaved || isTaken)) {
      this.#violate("live-leases-are-respected", commit, `takes the run from ${had.executor}, whose lease is live`);
    }
    // A run whose start was put off begins with the commit that takes its lease.
    const isBeginning = kind === "run_started" && from.run.status === "pending" && isNew;
    if (!isOfPass || isRecovery || isBeginning) return;
    if (had?.executor !== executor) {
      this.#violate(
        "commits-are-fenced",
        commit,
        `writes ${kind} without the lease, which ${had?.executor ?? "no one"} has`,
      );
    }
  }

  /** A run whose start was put off begins at its time and not before, unless it is resumed, and is due until then. */
  #delay(commit: Accepted, from: Record_, to: Record_): void {
    const startsAt = this.#delays.get(commit.runKey);
    if (startsAt === undefined || from.run.status !== "pending") return;
    if (to.run.status === "pending") {
      if (commit.row.dueAt === undefined) this.#violate("delayed-runs-start-in-time", commit, "is due no more");
      return;
    }
    if (isEnd(to) || eventTypes(commit).includes("run.resumed") || commit.decidedAt >= startsAt) return;
    this.#violate("delayed-runs-start-in-time", commit, `begins ${startsAt - commit.decidedAt} ms early`);
  }

  /** Each checkpoint follows from the one before. */
  #head(commit: Accepted, from: Record_, to: Record_): void {
    const { entry, state, before } = commit;
    const checkpoint = entry?.checkpoint;
    if (checkpoint === undefined) {
      if (to.run.checkpointHead !== from.run.checkpointHead) {
        this.#violate("checkpoints-follow", commit, "moves the head without a checkpoint");
      }
      return;
    }
    if (to.run.checkpointHead !== checkpoint.checkpointId) {
      this.#violate("checkpoints-follow", commit, "writes a checkpoint that is not its head");
    }
    if (state === undefined || before?.state === undefined) return;
    if (checkpoint.kind === "run_resumed") {
      const id = isMigration(entry) ? from.run.checkpointHead : to.run.resumeFromCheckpointId;
      const life = this.#facts.history.lives.get(commit.runKey)?.commits ?? [];
      const origin = life.find((other) => other.entry?.checkpoint?.checkpointId === id)?.state;
      if (origin === undefined || !isDeepStrictEqual(resultsOf(origin), resultsOf(state))) {
        this.#violate("checkpoints-follow", commit, `does not go on from checkpoint ${id}`);
      }
      if (id !== from.run.checkpointHead && to.waits.length > 0) {
        this.#violate("checkpoints-follow", commit, `keeps waits from after checkpoint ${id}`);
      }
      return;
    }
    if (!passKinds.has(checkpoint.kind)) return;
    const failed = checkpoint.kind === "run_failed";
    for (const [id, result] of Object.entries(before.state.stepResults)) {
      if (!["completed", "degraded", "skipped"].includes(result.status)) continue;
      const after = Object.hasOwn(state.stepResults, id) ? state.stepResults[id] : undefined;
      const isCulprit = failed && after?.status === "failed" && result.status === "degraded";
      if (isCulprit || isDeepStrictEqual(after, result)) continue;
      this.#violate("checkpoints-follow", commit, `loses or changes the result of step "${id}"`);
    }
    const steps = before.state.trace.steps;
    if (!isDeepStrictEqual(state.trace.steps.slice(0, steps.length), steps)) {
      this.#violate("checkpoints-follow", commit, "changes what its trace had");
    }
    if (!isDeepStrictEqual(state.inputs, before.state.inputs))
      this.#violate("checkpoints-follow", commit, "changes its inputs");
    for (const name of Object.keys(before.state.vars)) {
      if (!Object.hasOwn(state.vars, name)) this.#violate("checkpoints-follow", commit, `loses vars.${name}`);
    }
  }

  /** What was received is in the inbox or was delivered, each once. */
  #signals(commit: Accepted, from: Record_, to: Record_): void {
    const types = eventTypes(commit);
    const received = types.filter((type) => type === "signal.received").length;
    const delivered = types.filter((type) => type === "signal.delivered").length;
    const isKept = (id: string) => to.inbox.some((signal) => signal.payload === id);
    const gone = from.inbox.filter(({ payload }) => !isKept(String(payload)));
    const isAsleep = to.run.status === "waiting_for_signal" && to.wakeAt === undefined;
    const awaited = to.waits.find((wait) => wait.kind === "signal" && to.inbox.some(({ name }) => name === wait.name));
    if (isAsleep && awaited !== undefined) {
      this.#violate("a-pass-never-stands-still", commit, `waits at "${awaited.stepId}" for the signal that it has`);
    }
    if (to.inbox.length !== from.inbox.length + received - delivered) {
      this.#violate(
        "signals-are-conserved",
        commit,
        `has ${to.inbox.length} signals: ${from.inbox.length} + ${received} - ${delivered}`,
      );
    }
    const results = commit.entry?.checkpoint === undefined ? "" : JSON.stringify(newResults(commit));
    for (const { payload } of gone) {
      if (results.includes(String(payload))) continue;
      this.#violate("signals-are-conserved", commit, `took signal ${String(payload)} and gave it to no step`);
    }
  }

  /** The end of a wait is fixed when it is first asked for, and no sleep ends before. */
  #waits(commit: Accepted, to: Record_): void {
    const { runKey, line, process } = commit;
    if (this.#facts.hasEnded(runKey, to.epoch)) {
      const isKept = (key: string) =>
        to.waits.some(({ kind, stepId }) => key === `${runKey}/${line}/${kind}/${stepId}`);
      for (const key of this.#ends.keys()) {
        if (key.startsWith(`${runKey}/${line}/`) && !isKept(key)) this.#ends.delete(key);
      }
    }
    this.#passedBy(commit, to);
    for (const wait of to.waits) {
      if ((wait.kind !== "sleep" && wait.kind !== "signal") || wait.until === undefined) continue;
      // A child that has ended and was resumed ends once more.
      if (wait.kind === "signal" && isChildWait(wait.name)) continue;
      const key = `${runKey}/${line}/${wait.kind}/${wait.stepId}`;
      const first = this.#ends.get(key);
      if (first === undefined) this.#ends.set(key, wait.until);
      else if (first !== wait.until) {
        this.#violate(
          "waits-end-when-they-said",
          commit,
          `moves the end of "${wait.stepId}" by ${wait.until - first} ms`,
        );
      }
    }
    for (const result of newResults(commit)) {
      const until = this.#ends.get(`${runKey}/${line}/sleep/${result.stepId}`);
      const timeout = this.#ends.get(`${runKey}/${line}/signal/${result.stepId}`);
      const now = process.latestMs;
      if (until !== undefined) this.#facts.promptness?.ended(commit, "sleep", result.stepId, until);
      if (timeout !== undefined) this.#facts.promptness?.ended(commit, "signal", result.stepId, timeout);
      if (until !== undefined && now < until - 1) {
        this.#violate("waits-end-when-they-said", commit, `ends the sleep "${result.stepId}" ${until - now} ms early`);
      }
    }
  }

  /**
   * A saved state may be from before a wait that the run has. A pass that does not come to that wait until its end has passed
   * forgets it, and the wait begins anew.
   */
  #passedBy({ runKey, line, before, entry, decidedAt }: Accepted, to: Record_): void {
    const place = `${runKey}/${line}`;
    const kind = entry?.checkpoint?.kind;
    if (before !== undefined && before.line !== line && kind !== "run_resumed") this.#savedLines.add(place);
    if (!this.#savedLines.has(place)) return;
    for (const wait of before?.record?.waits ?? []) {
      const isKept = to.waits.some(({ stepId }) => stepId === wait.stepId);
      if (!isKept && "until" in wait && (wait.until ?? Infinity) <= decidedAt)
        this.#ends.delete(`${place}/${wait.kind}/${wait.stepId}`);
    }
  }

  /** No chunk is stored twice, and the parts of a step's output follow each other, each under the epoch of its writer. */
  #outputs(commit: Accepted, to: Record_): void {
    const { runKey, entry } = commit;
    for (const { type, payload } of entry?.events ?? []) {
      if (type !== "step.output") continue;
      const { step_id, part, chunks } = payload as { step_id: string; part: string; chunks: readonly string[] };
      for (const chunk of chunks) {
        const key = `${runKey}/${chunk}`;
        if (this.#chunks.has(key)) this.#violate("no-chunk-twice", commit, `stores "${chunk}" once more`);
        this.#chunks.add(key);
      }
      const parts = this.#parts.get(`${runKey}//${step_id}`) ?? [];
      const isLate = parts.includes(part) && parts.at(-1) !== part;
      if (isLate || Number(part.split(".")[0]) !== to.epoch) {
        this.#violate(
          "parts-are-fenced",
          commit,
          `goes on with part ${part} of "${step_id}" after ${parts.join(", ")}`,
        );
      }
      if (parts.at(-1) !== part) this.#parts.set(`${runKey}//${step_id}`, [...parts, part]);
    }
  }

  /** A child is started once, and a parent that was canceled, or waits for a child that has ended, is done with it. */
  #families(commit: Accepted, from: Record_, to: Record_): void {
    const { history } = this.#facts;
    const { runKey, tenant, runId, order } = commit;
    if (!isEnd(to) || to.toldEpoch === from.toldEpoch || to.toldEpoch !== to.epoch) return;
    // What the run owed since its end is done.
    const own = history.lives.get(runKey)?.commits ?? [];
    const end = own.findLast(({ record, before }) => record !== undefined && isEnd(record) && !hasEnded(before));
    const endedAt = end?.order ?? order;
    if (to.run.status === "canceled") {
      for (const [key, { childRunId, uses }] of history.effects) {
        if (!key.startsWith(`${runKey}/`) || childRunId === undefined || uses.endsWith("detached")) continue;
        const life = history.lives.get(`${tenant}/${childRunId}`)?.commits ?? [];
        const atEnd = life.findLastIndex((one) => one.order <= endedAt);
        if (life.slice(Math.max(atEnd, 0)).some(hasEnded)) continue;
        this.#violate("cancel-reaches-children", commit, `is done with its end, and ${childRunId} was not canceled`);
      }
    }
    const { parentRunId } = to.run;
    const parent = history.lives.get(`${tenant}/${parentRunId}`)?.commits ?? [];
    const isAwaited = (one: Accepted | undefined) =>
      one?.record?.waits.some(
        (wait) => wait.kind === "signal" && wait.until === undefined && isEndOf(wait.name, runId),
      ) === true && !isEnd(one.record);
    const then = parent.findLast((one) => one.order <= endedAt);
    if (isAwaited(then) && isAwaited(parent.at(-1))) {
      this.#violate("parents-learn-of-ends", commit, `is done with its end, and ${parentRunId} still waits for it`);
    }
  }

  /** The parent has noted its child before, and this step of it has no other. */
  #childBirth(commit: Accepted, { run }: Record_): void {
    const { parentRunId, parentStepId = "" } = run;
    if (parentRunId === undefined) return;
    const parentKey = `${commit.tenant}/${parentRunId}`;
    const notes = [...this.#facts.history.effects].filter(([key]) => key.startsWith(`${parentKey}/`));
    const isNoted = notes.some(([, note]) => note.childRunId === commit.runId && note.stepId === parentStepId);
    if (!isNoted) this.#violate("no-child-twice", commit, `is no child that ${parentRunId} has noted`);
    const step = `${parentKey} ${parentStepId}`;
    const others = this.#children.get(step) ?? [];
    if (others.length > 0 && !isRepeatedRun(parentStepId)) {
      this.#violate("no-child-twice", commit, `is child ${others.length + 1} of "${parentStepId}" of ${parentRunId}`);
    }
    this.#children.set(step, [...others, commit.runId]);
  }

  #failures(commit: Accepted, to: Record_): void {
    const { runKey, entry } = commit;
    // A caller may save a state in which a step is not recorded any more: it is tried as in a resume from that state.
    for (const stepId of lostResults(commit)) this.#retries.delete(`${runKey}//${stepId}`);
    for (const { stepId, errorMessage } of newResults(commit)) {
      if (errorMessage?.includes("the medium failed")) {
        this.#violate("a-medium-fails-no-step", commit, `has "${errorMessage}" as the failure of step "${stepId}"`);
      }
    }
    for (const { type, payload } of entry?.events ?? []) {
      if (type === "run.resumed" && !eventTypes(commit).includes("run.approved")) {
        for (const key of this.#retries.keys()) if (key.startsWith(`${runKey}//`)) this.#retries.delete(key);
      }
      if (type === "step.retry_scheduled") {
        const id = String(payload.step_id);
        const key = `${runKey}//${id}`;
        const count = (this.#retries.get(key) ?? 0) + 1;
        this.#retries.set(key, count);
        const most = this.#facts.retriesOf(to.run.skillId, id);
        if (count > most)
          this.#violate("attempts-are-bounded", commit, `schedules retry ${count} of ${most} of "${id}"`);
      }
      if (type !== "run.failed") continue;
      const { code } = payload;
      if (honestFailures.includes(String(code))) continue;
      const isParent = Object.values(commit.state?.stepResults ?? {}).some(({ uses }) => uses === "step.run");
      if (isParent && failuresOfChildren.includes(String(code))) continue;
      if (code === "invalid_transition" && this.#standsOnUndone(commit, to)) continue;
      if (code === "rollback_failed" && undoings(commit).some(({ status }) => status === "degraded")) continue;
      const recoveries = this.#facts.history.lives
        .get(runKey)
        ?.commits.flatMap(eventTypes)
        .filter((type) => type === "run.recovered").length;
      if (code === "recovery_exhausted" && (recoveries ?? 0) >= 10) continue;
      this.#violate(
        "runs-fail-for-their-own-reasons",
        commit,
        `fails with ${String(code)}: ${String(payload.message)}`,
      );
    }
  }

  /** True if what the run stands on was undone: by itself or by its source, whose steps may be in it. */
  #standsOnUndone({ runKey, state }: Accepted, { run, isRollbackBegun }: Record_): boolean {
    if (isRollbackBegun !== undefined || state?.stepResults["rollback:"] !== undefined) return true;
    const source = String(run.metadata.source_run_id);
    const lives = [...this.#facts.history.lives.entries()];
    const [tenant] = runKey.split("/");
    const [, life] = lives.find(([key]) => key === `${tenant}/${source}`) ?? [];
    return life?.commits.some(({ record }) => record?.isRollbackBegun === true) === true;
  }

  /** A run that has undone its steps has undone all that it planned, or says that it has not. */
  #undoing(commit: Accepted, to: Record_): void {
    if (commit.before?.record?.isRollbackBegun !== undefined && commit.entry?.checkpoint?.kind === "step_completed") {
      // A wait that the body left behind may end meanwhile, also one for a child.
      const isAct = ({ stepId, uses = "" }: { readonly stepId: string; readonly uses?: string }) =>
        !stepId.startsWith("rollback:") && !/^step\.(sleep|waitFor|run)/.test(uses);
      const other = newResults(commit).find(isAct);
      if (other !== undefined) this.#violate("undoing-does-nothing-else", commit, `executes "${other.stepId}"`);
    }
    const plan = commit.state?.stepResults["rollback:"]?.producedOutput as { readonly count?: number } | undefined;
    const hasEnded = eventTypes(commit).some((type) => type === "run.failed" || type === "run.canceled");
    // A cancel without rollback cuts it off, and so do other failures.
    const isOwnEnd = to.isRollbackBegun === true && commit.operation === undefined;
    if (plan?.count === undefined || !hasEnded || !isOwnEnd) return;
    const done = undoings(commit).filter(({ status }) => status === "completed").length;
    const { code } = to.run.error ?? {};
    const isAbout = to.run.status === "canceled" || ["step_failed", "body_failed"].includes(`${code}`);
    if (code === "rollback_failed" ? done < plan.count : done === plan.count || !isAbout) return;
    this.#violate("what-has-begun-is-undone", commit, `ends with ${code} and ${done} of ${plan.count} rollbacks`);
  }

  /** No action that may have happened is entered as failed. */
  #claims(commit: Accepted): void {
    const { history, acts } = this.#facts;
    for (const claim of commit.claims) {
      const entry = ledgerEntry(claim);
      if (entry === undefined) continue;
      const place = `${commit.runKey}/${claim.key}`;
      const before = history.effects.get(place);
      history.effects.set(place, entry);
      if (before?.status === "recorded" && entry.status !== "recorded") {
        this.#violate("the-ledger-is-honest", commit, `takes back the record of "${entry.stepId}"`);
      }
      if (entry.status !== "failed") continue;
      const isSame = ({ runKey, stepId, key }: Act) => {
        const [, , , hash = "", ordinal = "1"] = key.split("/");
        return (
          runKey === commit.runKey &&
          stepId === entry.stepId &&
          entry.requestHash.startsWith(hash) &&
          entry.ordinal === Number(ordinal)
        );
      };
      if (acts.some(isSame))
        this.#violate("the-ledger-is-honest", commit, `enters "${entry.stepId}" as failed, which happened`);
    }
  }
}

function newResults(commit: Accepted) {
  const { state, before, entry } = commit;
  if (state === undefined || entry?.checkpoint === undefined) return [];
  return Object.values(state.stepResults).filter(({ stepId }) => {
    const had = before?.state?.stepResults;
    return (
      had === undefined || !Object.hasOwn(had, stepId) || had[stepId]?.status !== state.stepResults[stepId]?.status
    );
  });
}

/** The results of the steps that undo others. */
function undoings({ state }: Accepted) {
  return Object.values(state?.stepResults ?? {}).filter(({ stepId }) => stepId.startsWith("rollback: "));
}

/** The steps whose results a checkpoint from outside leaves out. */
function lostResults({ state, before, entry }: Accepted): readonly string[] {
  const checkpoint = entry?.checkpoint;
  if (checkpoint === undefined || state === undefined || passKinds.has(checkpoint.kind)) return [];
  const had = Object.keys(before?.state?.stepResults ?? {});
  return had.filter((stepId) => !Object.hasOwn(state.stepResults, stepId));
}

function resultsOf({ stepResults, trace, vars, inputs }: State) {
  return { stepResults, steps: trace.steps, vars, inputs };
}

/** The name under which a parent waits for the end of a child. */
function isEndOf(name: string, runId: string): boolean {
  return name === `→ ${runId}`;
}

function isChildWait(name: string): boolean {
  return name.startsWith("→ ");
}

/** True for a run that has ended or is gone. */
function hasEnded(commit: Accepted | undefined): boolean {
  return commit !== undefined && (commit.record === undefined || isEnd(commit.record));
}

function isEnd({ run }: Record_): boolean {
  return run.status === "completed" || run.status === "failed" || run.status === "canceled";
}
