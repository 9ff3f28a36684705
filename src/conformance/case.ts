import type { Store } from "../store.ts";

/** What the author of an adapter passes to the suite. */
export interface StoreHarness {
  /** A medium without a row that only one case uses: a new database, or the old one emptied. */
  fresh(): Promise<Medium>;
}

/** A fresh medium, on which a test opens stores. */
export interface Medium {
  /** A new handle on this medium, with a life of its own. Cases open several, and open again after closing. */
  open(): Promise<Store>;
  /** Throws the medium away, after every handle was closed. */
  remove?(): Promise<void>;
}

/** One clause of the Store contract, and the test for it. */
export interface ConformanceCase {
  /** Short and stable: exemptions and reports name it. */
  readonly id: string;
  /** A sentence that is true of every good store. */
  readonly clause: string;
  /** Resolves if the store keeps the clause; otherwise rejects with an error that shows what it did instead. */
  readonly run: (harness: StoreHarness) => Promise<void>;
}

/** What a case can use: handles on a fresh medium, ids and times. */
export interface Stage {
  /** The first handle on the case's medium. */
  readonly store: Store;
  /** One more handle on the same medium. */
  readonly open: () => Promise<Store>;
  /** A tenant of this case alone, so that a medium that was not quite emptied does not matter. */
  readonly tenant: string;
  /** Another tenant of this case alone. */
  readonly neighbor: string;
}

/** The case that sets its stage, acts, and clears up, also when it fails. */
export function storeCase(id: string, clause: string, act: (stage: Stage) => Promise<void>): ConformanceCase {
  return {
    id,
    clause,
    async run(harness) {
      const medium = await harness.fresh();
      const handles: Store[] = [];
      const open = async () => {
        const handle = await medium.open();
        handles.push(handle);
        return handle;
      };
      const clear = async () => {
        for (const handle of handles) await handle.close();
        await medium.remove?.();
      };
      try {
        await act({ store: await open(), open, tenant: id, neighbor: `${id} neighbor` });
      } catch (fault) {
        // The fault is the news; what goes wrong while clearing up after it is not.
        await clear().catch(() => undefined);
        throw fault;
      }
      await clear();
    },
  };
}
