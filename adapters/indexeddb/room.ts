/** The storage that the browser allows this site, in bytes. */
export interface Room {
  /** The usage of the site, over all its kinds of storage. A browser may round it. */
  readonly usage: number;
  readonly quota: number;
  /** False if the browser may clear it all when the disk gets full. */
  readonly isPersistent: boolean;
}

/**
 * The storage of this site; `undefined` if the browser does not report it, as outside of secure contexts.
 *
 * @example
 * ```ts
 * import { storageRoom } from "orca-durable/indexeddb";
 *
 * const room = await storageRoom();
 * if (room !== undefined) console.log(room);
 * ```
 */
export async function storageRoom(): Promise<Room | undefined> {
  try {
    const { usage, quota } = (await storage()?.estimate()) ?? {};
    if (usage === undefined || quota === undefined) return undefined;
    return { usage, quota, isPersistent: (await storage()?.persisted?.()) ?? false };
  } catch {
    return undefined;
  }
}

/**
 * Asks the browser not to clear this site's storage when the disk gets full. It may ask the user, or decide by how the
 * site is used. False if it declines, or cannot promise it.
 *
 * @example
 * ```ts
 * import { persistStorage } from "orca-durable/indexeddb";
 *
 * if (!(await persistStorage())) console.warn("the browser may clear the runs of this site when the disk gets full");
 * ```
 */
export async function persistStorage(): Promise<boolean> {
  return (await storage()?.persist?.()) ?? false;
}

function storage(): (Partial<StorageManager> & Pick<StorageManager, "estimate">) | undefined {
  return globalThis.navigator?.storage;
}
