import type { History } from "./history.ts";
import type { Machine, Machines } from "./machines.ts";
import type { Medium } from "./medium.ts";
import type { Neighbors } from "./neighbors.ts";
import type { FaultItem } from "./plan.ts";
import type { World } from "./world.ts";

/** What faults strike. */
export interface Struck {
  readonly world: World;
  readonly machines: Machines;
  readonly medium: Medium;
  readonly neighbors: Neighbors;
  readonly history: History;
}

/** Lets a fault happen to a machine, or to what it works with. */
export function strike({ world, machines, medium, neighbors, history }: Struck, fault: FaultItem, at: Machine): void {
  const { kind, forMs, rate } = fault;
  const { process } = at;
  world.log(`fault ${fault.id}: ${kind} at ${process?.name ?? "the edge"} for ${forMs} ms, rate ${rate}`);
  const until = world.now + forMs;
  const ofProcess = process === undefined ? {} : { process: process.name };
  switch (kind) {
    case "kill":
      if (process === undefined) return;
      process.turnsToLive = fault.count;
      machines.restart(at, forMs);
      return;
    case "stop":
      machines.stop(at, forMs);
      return;
    case "freeze":
      if (process !== undefined) process.frozenUntil = until;
      return;
    case "timers stand still":
      if (process !== undefined) process.timersStillUntil = until;
      return;
    case "clock jumps":
      if (process !== undefined) process.skewMs += rate < 0.5 ? -forMs : forMs;
      return;
    case "refuse":
    case "lose":
    case "late":
    case "unread":
    case "slow":
      medium.troubles.push({ ...ofProcess, until, mode: kind, rate, ms: Math.min(forMs, 15_000) });
      return;
    case "away":
      medium.troubles.push({ until, mode: "refuse", rate: 1, ms: 0 });
      return;
    case "loss and no read-back":
      if (process !== undefined) medium.losses.push({ process: process.name, reads: fault.count, isArmed: true });
      return;
    case "notifications lost":
    case "notifications late":
    case "notifications twice": {
      const mode = kind === "notifications lost" ? "lost" : kind === "notifications late" ? "late" : "twice";
      if (process !== undefined) neighbors.deafness.push({ process, until, mode });
      return;
    }
    case "presence lost":
      if (process !== undefined) neighbors.lost.add(history.executors.get(process) ?? "");
  }
}
