import { describe, expect, test } from "vitest";
import { initialState } from "../../../src/codec/index.ts";
import { crashingStore } from "../../../src/conformance/faults.ts";
import type { Runs } from "../../../src/index.ts";
import { saveCheckpoint } from "../../../src/index.ts";
import { virtualClock } from "../../support/clock.ts";
import { deferred, leaseMs, type OnStage, refusalOf, type Stage, until, untilStatus } from "../../support/stage.ts";
import { rowsOf } from "../../support/stored.ts";

/** How a run gets into each situation. All are of the skill `gated`, but for those that need another. */
const situations: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  pending: async ({ runs }) => {
    await runs.create({ skillId: "gated", runId: "r" });
  },
  running: async ({ runs, handlers, calls }) => {
    handlers.set("draft", () => deferred().promise);
    await runs.start({ skillId: "gated", runId: "r" });
    await until("the step has begun", () => calls.length === 1);
  },
  "running without an executor": async (stage) => {
    await situations.running?.(stage);
    await stage.home.stop();
    await stage.clock.advance(leaseMs);
  },
  "running, asleep": async ({ runs, home }) => {
    await runs.start({ skillId: "sleepy", runId: "r" });
    await home.idle();
  },
  "running, backing off": async ({ runs, home, handlers }) => {
    handlers.set("try", () => Promise.reject(new Error("boom")));
    await runs.start({ skillId: "backing-off", runId: "r" });
    await home.idle();
  },
  waiting_for_human: async ({ runs, home }) => {
    await runs.start({ skillId: "gated", runId: "r" });
    await home.idle();
    await untilStatus(runs, "r", "waiting_for_human");
  },
  waiting_for_signal: async ({ runs, home }) => {
    await runs.start({ skillId: "signaled", runId: "r" });
    await home.idle();
    await untilStatus(runs, "r", "waiting_for_signal");
  },
  replaying: async ({ runs, runtime, store, tenant, clock }) => {
    await runs.create({ skillId: "pair", runId: "source" });
    const crashing = crashingStore(store, { atCommit: 2, moment: "before", calls: "reject" });
    // Under a clock of its own: the pauses between its tries are no time of the others.
    await runtime({ store: crashing, onError: () => {}, clock: virtualClock(clock.now()) })
      .for(tenant)
      .replay("source", { newRunId: "r" });
    await until("the executor is gone", () => crashing.crashed);
  },
  "replaying without an executor": async (stage) => {
    await situations.replaying?.(stage);
    await stage.clock.advance(leaseMs);
  },
  completed: async ({ runs, home }) => {
    await runs.start({ skillId: "pair", runId: "r" });
    await home.idle();
  },
  failed: async ({ runs, home, handlers }) => {
    handlers.set("draft", () => Promise.reject(new Error("boom")));
    await runs.start({ skillId: "gated", runId: "r" });
    await home.idle();
    handlers.clear();
  },
  canceled: async ({ runs }) => {
    await runs.create({ skillId: "gated", runId: "r" });
    await runs.cancel("r");
  },
};

const verbs: Readonly<Record<string, (runs: Runs) => Promise<unknown>>> = {
  resume: (runs) => runs.resume("r"),
  approve: (runs) => runs.approve("r"),
  deny: (runs) => runs.deny("r"),
  signal: (runs) => runs.signal("r", { name: "some" }),
  cancel: (runs) => runs.cancel("r"),
  save: async (runs) => {
    const { skillId } = await runs.get("r");
    return saveCheckpoint(runs, "r", { kind: "k", state: initialState<unknown>(skillId, {}) });
  },
  replay: (runs) => runs.replay("r", { newRunId: "d" }),
  fork: (runs) => runs.fork("r", { newRunId: "d" }),
};

// What each does to a run in each situation: the status after it, or the refusal. `!` is invalid_transition, `x` conflict,
// and `=` leaves the status as it is.
const table: Readonly<Record<string, string>> = {
  //                                 resume   approve  deny      signal  cancel    save  replay  fork
  pending: "                         running  !        !         =       canceled  =     =       =",
  running: "                         x        !        !         =       canceled  x     =       =",
  "running without an executor": "   running  !        !         =       canceled  =     =       =",
  "running, asleep": "               running  !        !         =       canceled  =     =       =",
  "running, backing off": "          running  !        !         =       canceled  =     =       =",
  waiting_for_human: "               running  running  canceled  =       canceled  =     =       =",
  waiting_for_signal: "              running  !        !         =       canceled  =     =       =",
  replaying: "                       x        !        !         =       canceled  x     =       =",
  "replaying without an executor": " running  !        !         =       canceled  =     =       =",
  completed: "                       !        !        !         !       !         x     =       =",
  failed: "                          running  !        !         !       !         x     =       =",
  canceled: "                        running  !        !         !       !         x     =       =",
};

const cells = Object.entries(table).flatMap(([situation, row]) => {
  const expected = row.trim().split(/ +/);
  return Object.keys(verbs).map((verb, index) => [situation, verb, expected[index] ?? "?"] as const);
});

export function transitionCases(on: OnStage): void {
  describe("transitions", () => {
    test.each(cells)("a run that is %s, %s: %s", (situation, verb, expected) =>
      on(async (stage) => {
        const { store, tenant, handlers } = stage;
        await situations[situation]?.(stage);
        const before = await rowsOf(store, tenant, "r", "d");
        const { status } = await stage.runs.get("r");
        // Another runtime, so that nothing but the stored row decides; its steps never end.
        for (const step of ["draft", "send", "before", "after", "left", "try", "early"]) {
          handlers.set(step, () => deferred().promise);
        }
        const runs = stage.runtime({ executor: "elsewhere" }).for(tenant);
        const call = (verbs[verb] as (runs: Runs) => Promise<unknown>)(runs);
        switch (expected) {
          case "!": {
            const refused = await refusalOf(call);
            expect(refused).toMatchObject({ code: "invalid_transition", details: { status, event: verb } });
            expect(await rowsOf(store, tenant, "r", "d")).toEqual(before);
            return;
          }
          case "x": {
            const refused = await refusalOf(call);
            const isHeld = situation === "running" || situation === "replaying";
            expect(refused).toMatchObject({ code: "conflict", ...(isHeld ? { retryAfterMs: leaseMs } : {}) });
            expect(await rowsOf(store, tenant, "r", "d")).toEqual(before);
            return;
          }
          case "=":
            await call;
            expect((await runs.get("r")).status).toBe(status);
            break;
          default:
            await call;
            expect((await runs.get("r")).status).toBe(expected);
        }
        const after = await rowsOf(store, tenant, "r", "d");
        const isDescent = verb === "replay" || verb === "fork";
        if (isDescent) expect(after.rows[0]).toEqual(before.rows[0]);
        else expect(after.rows[0]?.run?.revision).toBeGreaterThan(before.rows[0]?.run?.revision ?? 0);
        // Whatever happened, nothing that was there has gone or changed.
        const { entries = [], snapshots = [] } = before.rows[0] ?? {};
        expect(after.rows[0]?.entries.slice(0, entries.length)).toEqual(entries);
        expect(after.rows[0]?.snapshots.slice(0, snapshots.length)).toEqual(snapshots);
      })(),
    );

    test(
      "a refusal says what the run is, what was asked, and what to do instead",
      on(async ({ runs, home }) => {
        await runs.start({ skillId: "pair", runId: "r" });
        await home.idle();
        const { message } = await refusalOf(runs.resume("r"));
        expect(message).toContain('"r"');
        expect(message).toContain("completed");
        expect(message).toContain("resume");
      }),
    );
  });
}
