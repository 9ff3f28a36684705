import { expectKind, withMethods } from "../argument.ts";
import { intercepted } from "../conformance/faults.ts";
import type { Store } from "../store.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/**
 * The store, with the clock standing still during each of its calls: for a medium that takes real time.
 *
 * @example
 * ```ts
 * import { createRuntime } from "orca-durable";
 * import { indexedDbStore } from "orca-durable/indexeddb";
 * import { timelessStore, virtualClock } from "orca-durable/testing";
 * import { skills } from "./skills.ts";
 *
 * const clock = virtualClock();
 * export const runtime = createRuntime({ serves: false, store: timelessStore(indexedDbStore(), clock), skills, clock });
 * ```
 */
export function timelessStore(store: Store, clock: VirtualClock): Store {
  expectKind(clock, withMethods("during"), "clock");
  return intercepted(store, (_call, proceed) => clock.during(proceed()));
}
