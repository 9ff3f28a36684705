import { intercepted } from "../conformance/faults.ts";
import type { Store } from "../store.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** The store, with the clock standing still during each of its calls: for a medium that takes real time. */
export function timelessStore(store: Store, clock: VirtualClock): Store {
  return intercepted(store, (_call, proceed) => clock.during(proceed()));
}
