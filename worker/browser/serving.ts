/**
 * How a service worker knows whether a page executes: such a page holds a shared lock in the name of its tenant. The browser
 * frees the lock when the page dies, and a page that only calls the service never holds it, so the lock says more than a list
 * of open windows. It may be late or wrong (a frozen page keeps its lock), so it only decides who begins.
 */

/** The default name of the database that a page and its service worker share. */
export const defaultDatabase = "orca-durable";

/**
 * A page sends this to ask its service worker to take control of the page, if a reload past the caches left it uncontrolled.
 * The answer, {@link servingMessage} or {@link outdatedMessage}, comes through the port of the message.
 */
export const claimMessage = "orca-durable:claim";

/** The answer of a service worker that answers the page's requests. */
export const servingMessage = "orca-durable:serving";

/**
 * The answer of a service worker that is older than the database: a newer version of the page has upgraded it, and the next
 * version of the service worker takes over.
 */
export const outdatedMessage = "orca-durable:outdated";

function prefixOf(database: string): string {
  return `${database}/serves/`;
}

/** Announces that this page executes the tenant's runs, until `signal` aborts. Resolves when others can see it. */
export async function announceServing(database: string, tenant: string, signal: AbortSignal): Promise<void> {
  const locks = lockManager();
  if (locks === undefined) return;
  await new Promise<void>((resolve, reject) => {
    const held = () => {
      resolve();
      return new Promise<void>((free) => {
        if (signal.aborted) free();
        signal.addEventListener("abort", () => free(), { once: true });
      });
    };
    locks.request(`${prefixOf(database)}${tenant}`, { mode: "shared" }, held).catch(reject);
  });
}

/** The tenants for which some page executes; `undefined` if the platform cannot say. */
export async function servedTenants(database: string): Promise<ReadonlySet<string> | undefined> {
  const prefix = prefixOf(database);
  const state = await lockManager()?.query();
  const names = state?.held?.flatMap(({ name = "" }) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []));
  return names && new Set(names);
}

function lockManager(): LockManager | undefined {
  return (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks;
}
