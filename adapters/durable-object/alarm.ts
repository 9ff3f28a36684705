import type { ObjectStorage } from "./storage.ts";

/**
 * The alarm of an object: the time at which the platform calls the object, also if nothing of it is in memory by then. An object
 * with an `alarm()` of its own shares it with the store.
 *
 * @example
 * ```ts
 * import { durableObjectStore, ObjectAlarm, type ObjectStorage } from "orca-durable/durable-object";
 *
 * export class Runs {
 *   readonly #alarm: ObjectAlarm;
 *   readonly store;
 *
 *   constructor({ storage }: { readonly storage: ObjectStorage }) {
 *     this.#alarm = new ObjectAlarm(storage);
 *     this.store = durableObjectStore(storage, this.#alarm);
 *   }
 *
 *   alarm() {
 *     this.#alarm.spent();
 *   }
 * }
 * ```
 */
export class ObjectAlarm {
  readonly #storage: ObjectStorage;
  #armed: number | undefined;

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
  }

  /**
   * Must have resolved before the other calls. An earlier instance may have armed the alarm: without this the first commit
   * could move it to a later time.
   */
  async ready(): Promise<void> {
    if (this.#armed !== undefined) return;
    const at = await this.#storage.getAlarm();
    this.#armed ??= at ?? Number.POSITIVE_INFINITY;
  }

  /** Executes the work, and with it, whole or not at all, arms the alarm for that time, unless it is armed for an earlier one. */
  async armed(at: number | undefined, work: () => void): Promise<void> {
    const time = Math.min(Math.max(at ?? Number.POSITIVE_INFINITY, earliest), latest);
    const isEarlier = at !== undefined && time < (this.#armed ?? Number.POSITIVE_INFINITY);
    let arming: Promise<void> | undefined;
    this.#storage.transactionSync(() => {
      work();
      if (isEarlier) arming = this.#storage.setAlarm(time);
    });
    if (!isEarlier) return;
    this.#armed = time;
    try {
      await arming;
    } catch (error) {
      // The next commit arms it anew.
      this.#armed = Number.POSITIVE_INFINITY;
      throw error;
    }
  }

  /** To be called first in `alarm()`: the alarm that was armed is spent. */
  spent(): void {
    this.#armed = Number.POSITIVE_INFINITY;
  }
}

// The platform fails on a time that is not positive only after the call has returned, and takes none that is much later.
const earliest = 1;
const latest = 9e12;
