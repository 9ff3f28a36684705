import type { Snapshot } from "../codec/bodies.ts";
import { isDurableError } from "../errors.ts";
import type { Held } from "../journal/change.ts";
import type { Json } from "../json.ts";
import { moved } from "../record/lifecycle.ts";
import { contextOf, event } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import { runningState } from "../record/state.ts";
import { underSkill } from "../skills/registry.ts";
import type { Skill } from "../skills/skill.ts";
import { measured } from "../telemetry/instrumentation.ts";
import { fail } from "./ending.ts";
import type { Host } from "./host.ts";
import { isMediumFault } from "./kernel.ts";
import { LostHold, Pass } from "./pass.ts";
import { messageOf } from "./thrown.ts";

/** A pass under way. */
export interface Execution {
  readonly pass: Pass;
  /** Resolves when the pass is over, whatever its outcome. Never rejects. */
  readonly done: Promise<void>;
}

/** What a pass begins with. */
export interface Departure {
  readonly skill: Skill;
  readonly state: ExecutionState<Json>;
  /** The run's last checkpoint. */
  readonly head: Snapshot;
}

/** Executes a run under a lease that has just been committed. */
export function execute(host: Host, held: Held, { skill, state, head }: Departure): Execution {
  const observation = host.instrumentation?.pass(host.executor, held.record.run);
  const pass = new Pass(observation === undefined ? host : measured(host, observation.below), held, state, head);
  const over = new AbortController();
  pass.listen(over.signal);
  const body = async () => {
    let failure: unknown;
    try {
      if (held.record.run.status === "replaying") await begin(pass, skill);
      await skill.body.execute(pass);
    } catch (error) {
      failure = error;
      if (!(error instanceof LostHold)) await failed(pass, error);
    } finally {
      over.abort();
      observation?.end(pass.record.run, { isLost: failure instanceof LostHold, failure });
    }
  };
  const run = observation === undefined ? body() : observation.within(body);
  const done = Promise.all([run, pass.keepAlive(over.signal)]).then(() => host.family?.pay(pass.record));
  return { pass, done };
}

/**
 * An error of a pass that is not the medium's fault fails the run at once: the next pass would throw it too. After a
 * fault of the medium the lease lapses, and then the run is due.
 */
async function failed(pass: Pass, error: unknown): Promise<void> {
  const { onError } = pass.host;
  onError(error, contextOf(pass.record));
  try {
    if (!isMediumFault(error) && !pass.isOver) {
      const code = isDurableError(error) ? error.code : "internal_error";
      await fail(pass, { code, message: messageOf(error) });
    }
  } catch (thrown) {
    if (!(thrown instanceof LostHold)) onError(thrown, contextOf(pass.record));
  }
  if (!pass.isOver) pass.lose("the pass failed");
}

/** A replay stops replaying once it executes. */
async function begin(pass: Pass, skill: Skill): Promise<void> {
  await pass.commit((record, state, now) => ({
    record: underSkill({ ...record, run: moved(record.run, { type: "proceed" }, now) }, skill),
    state: runningState(state, now),
    events: [event("run.started", now, { skill_id: record.run.skillId })],
    checkpoint: { kind: "run_started" },
  }));
}
