/** A place in a file, which occurs once in it, and what comes there. */
interface Edit {
  readonly find: string;
  readonly replace: string;
}

/** A fault that is put into a copy of the implementation, and that the simulator must find. */
export interface PlantedBug extends Edit {
  readonly name: string;
  readonly file: string;
  /** In the same file, where two guards stand one behind the other. */
  readonly also?: Edit;
  /** The weather in which it shows, where that is not any. */
  readonly weather?: "calm" | "sane" | "wild";
  /** A seed that found it, to begin with. */
  readonly seed?: string;
}

export const bugs: readonly PlantedBug[] = [
  {
    name: "a lease is taken under the old epoch",
    file: "src/record/lease.ts",
    find: "epoch: record.epoch + 1,\n    lease:",
    replace: "epoch: record.epoch,\n    lease:",
    seed: "planted-1",
  },
  {
    name: "what moves a run from outside leaves the hold of whoever had it",
    file: "src/record/lease.ts",
    find: "return { ...withoutLease(record), epoch: record.epoch + 1 };",
    replace: "return { ...record };",
    seed: "planted-97",
  },
  {
    name: "a live lease is no obstacle",
    file: "src/record/lease.ts",
    find: "return record.lease !== undefined && record.lease.endsAt > now;",
    replace: "return false;",
    seed: "planted-1",
  },
  {
    name: "a pass does not see that its epoch is over",
    file: "src/engine/pass.ts",
    find: "if (record.epoch !== this.#epoch) {",
    replace: "if (record.epoch < this.#epoch) {",
    seed: "planted-1",
  },
  {
    name: "a callback is called without a look at the lease",
    file: "src/engine/pass.ts",
    find: "if (lease !== undefined && lease.endsAt > this.host.clock.now()) return;",
    replace: "return;",
    seed: "planted-218",
  },
  {
    name: "a commit whose answer was lost is not recognised",
    file: "src/journal/commit.ts",
    find: 'if (isOwnRow(row, nonce)) return { kind: "committed" };',
    replace: "",
    also: {
      find: 'if (await isOwnEntry(host, commit.run, nonce)) return { kind: "committed", later: heldRow(row) };',
      replace: "",
    },
  },
  {
    name: "a commit whose answer was lost is not recognised behind a later one",
    file: "src/journal/commit.ts",
    find: 'if (await isOwnEntry(host, commit.run, nonce)) return { kind: "committed", later: heldRow(row) };',
    replace: "",
    seed: "planted-53",
  },
  {
    name: "the end of a sleep is computed anew",
    file: "src/engine/kernel.ts",
    find: "const until = before?.until ?? untilFrom(now);",
    replace: "const until = untilFrom(now);",
    seed: "planted-5",
  },
  {
    name: "the end of a wait for a signal is computed anew",
    file: "src/engine/kernel.ts",
    find: "const until = before === undefined ? timeoutMs && now + timeoutMs : before.until;",
    replace: "const until = timeoutMs && now + timeoutMs;",
    seed: "planted-1",
  },
  {
    name: "a signal that was delivered stays in the inbox",
    file: "src/engine/kernel.ts",
    find: "inbox: record.inbox.toSpliced(index, 1)",
    replace: "inbox: record.inbox",
    seed: "planted-7",
  },
  {
    name: "the newest signal is delivered as the oldest",
    file: "src/engine/kernel.ts",
    find: "inbox: record.inbox.toSpliced(index, 1)",
    replace: "inbox: record.inbox.slice(0, -1)",
    seed: "planted-8",
  },
  {
    name: "whatever threw has not happened",
    file: "src/engine/kernel.ts",
    find: "const harmless = outcome.isHarmless ? plan?.effect : undefined;",
    replace: "const harmless = plan?.effect;",
    seed: "planted-2",
  },
  {
    name: "an action is not entered before it is tried",
    file: "src/engine/kernel.ts",
    find: "if (plan !== undefined) await enter(pass, started, plan.effect);",
    replace: "",
    seed: "planted-5",
  },
  {
    name: "attempts are counted from one again",
    file: "src/engine/kernel.ts",
    find: "attempts: (attempts ?? 0) + 1 };",
    replace: "attempts: 1 };",
    seed: "planted-10",
  },
  {
    name: "nobody is asked whether an action happened",
    file: "src/engine/ledger.ts",
    find: "if (policy.isIdempotent === false && decided === undefined)",
    replace: "if (policy.isIdempotent === undefined)",
    seed: "planted-40",
  },
  {
    name: "a recorded result is not used",
    file: "src/engine/ledger.ts",
    find: 'return { kind: "reuse", effect: latest };',
    replace: 'return { kind: "act", effect: again };',
    seed: "planted-18",
  },
  {
    name: "a descendant does not inherit what was done",
    file: "src/engine/ledger.ts",
    find: 'if (effect.status !== "recorded") continue;',
    replace: "continue;",
  },
  {
    name: "new steps begin before the record is caught up with",
    file: "src/skills/code/answers.ts",
    find: "return !this.log.isAwaiting && this.#unanswered === undefined;",
    replace: "return !this.log.isAwaiting;",
    seed: "planted-18",
  },
  {
    name: "an answer comes before the body has asked for what it had asked for by then",
    file: "src/skills/code/answers.ts",
    find: "  next(): string | undefined {\n    if (this.log.isAwaiting) return undefined;",
    replace: "  next(): string | undefined {",
    seed: "planted-18",
  },
  {
    name: "waits are looked at only where nothing is in flight",
    file: "src/skills/code/run.ts",
    find: "        flights.retake();",
    replace: "        if (flights.inFlight === 0) flights.retake();",
  },
  {
    name: "a pass sleeps past the end of a wait",
    weather: "calm",
    file: "src/engine/flights.ts",
    find: "for (const { wait } of this.#parked.values()) nearest = Math.min(nearest, endOf(wait));",
    replace: "",
    seed: "calm:planted-63",
  },
  {
    name: "a change of the run by others wakes no pass",
    weather: "calm",
    file: "src/engine/pass.ts",
    find: "if (isByOthers) for (const listener of this.#listeners) listener();",
    replace: "",
    seed: "calm:planted-33",
  },
  {
    name: "a run parks with one of its waits",
    file: "src/engine/ending.ts",
    find: "waits: [...waits, ...aside, ...missed] });",
    replace: "waits: waits.slice(0, 1) });",
    seed: "planted-1",
  },
  {
    name: "a run parks before its body has come to the waits of the pass before",
    file: "src/skills/code/run.ts",
    find: "if (this.pass.record.waits.every(({ stepId }) => this.#answers.isAsked(stepId))) return true;",
    replace: "return true;",
    seed: "mx2m4w2g-1189",
  },
  {
    name: "a run that is handed over forgets its waits",
    file: "src/engine/ending.ts",
    find: "...withoutLease({ ...record, waits: [...waits, ...kept] }), wakeAt: now },",
    replace: "...withoutLease({ ...record, waits: [] }), wakeAt: now },",
    seed: "planted-13",
  },
  {
    name: "a resume from an older checkpoint keeps the sleeps",
    file: "src/runs/continuation.ts",
    find: "if (from !== run.checkpointHead) return [];",
    replace: "",
    seed: "planted-3",
  },
  {
    name: "a resume from the head shortens sleeps",
    file: "src/runs/continuation.ts",
    find: 'return waits.filter((wait) => wait.kind === "sleep" || wait.kind === "signal");',
    replace: "return [];",
    seed: "planted-14",
  },
  {
    name: "a checkpoint is saved to a run under a live lease",
    file: "src/runs/checkpoints.ts",
    find: 'refuseLive(record, now, "wait until it is no longer being executed, or cancel it");',
    replace: "",
    seed: "planted-24",
  },
  {
    name: "a signal wakes no run that waits for it",
    file: "src/runs/continuation.ts",
    find: "if (!isWaiting || !isAwaited) return",
    replace: "if (isWaiting || !isAwaited) return",
    seed: "planted-8",
  },
  {
    name: "a decision at a gate is forgotten",
    file: "src/runs/continuation.ts",
    find: "[{ ...gate, decision }];",
    replace: "[gate];",
    seed: "planted-11",
  },
  {
    name: "a migration leaves waits under their old names",
    file: "src/skills/renaming.ts",
    find: "waits: record.waits.map(named),",
    replace: "waits: record.waits,",
    seed: "planted-8",
  },
  {
    name: "one run more than its quota is let in",
    file: "src/runs/quota.ts",
    find: "if (runs < maxRuns &&",
    replace: "if (runs <= maxRuns &&",
    seed: "planted-2",
  },
  {
    name: "births of one runtime pass a quota together",
    file: "src/runs/quota.ts",
    find: "reading.moreRuns += born;",
    replace: "",
    seed: "planted-12",
  },
  {
    name: "the store accepts any later revision",
    file: "adapters/memory/index.ts",
    find: "if (over !== (previous?.row.revision ?? 0))",
    replace: "if (over > (previous?.row.revision ?? 0))",
    seed: "planted-1",
  },
  {
    name: "the store forgets claims",
    file: "adapters/memory/index.ts",
    find: "for (const claim of claims) rows.claims.set(",
    replace: "for (const claim of claims.slice(1)) rows.claims.set(",
  },
  {
    name: "the store keeps the first snapshot alone",
    file: "adapters/memory/index.ts",
    find: "if (snapshot !== undefined) stored.snapshots.push(",
    replace: "if (snapshot !== undefined && stored.snapshots.length === 0) stored.snapshots.push(",
  },
  {
    name: "the store erases the row and not the history",
    file: "adapters/memory/index.ts",
    find: "          stored.entries = [];\n",
    replace: "",
  },
];
