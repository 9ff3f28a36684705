import { DurableObject } from "cloudflare:workers";
import { durableObjectStore, ObjectAlarm, type ObjectStorage } from "../../../adapters/durable-object/index.ts";
import type { Store } from "../../../src/store.ts";

/** An object that has stores and executes nothing. */
export class StoreObject extends DurableObject {
  readonly #storage: ObjectStorage;
  readonly armed: ObjectAlarm;
  readonly #handles = new Map<string, Store>();
  alarms = 0;

  constructor(state: { readonly storage: ObjectStorage }, env: object) {
    super(state, env);
    this.#storage = state.storage;
    this.armed = new ObjectAlarm(state.storage);
  }

  handle(id: string): Store {
    const store = this.#handles.get(id) ?? durableObjectStore(this.#storage, this.armed);
    this.#handles.set(id, store);
    return store;
  }

  alarm(): void {
    this.armed.spent();
    this.alarms += 1;
  }
}

export default { fetch: () => new Response("a worker of tests") };
