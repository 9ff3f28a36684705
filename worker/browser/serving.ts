/**
 * How a service worker knows whether a page executes: such a page holds a shared lock in the name of its tenant. The
 * browser frees it when the page dies, and a page that only calls the service never has it, so that it tells more than a
 * list of open windows. It may be late or wrong (a frozen page keeps its lock), and nothing depends on it but who begins.
 */

/** The database that a page and its service worker share where they are not told otherwise. */
export const defaultDatabase = "orca-durable";

/**
 * By it a page asks its service worker to take the page under its control, where a reload past the caches left it out. It is
 * answered on the port that comes with it, by {@link servingMessage} or {@link outdatedMessage}.
 */
export const claimMessage = "orca-durable:claim";

/** The service worker answers the page's requests. */
export const servingMessage = "orca-durable:serving";

/** A newer version of the page has upgraded the database, and the next version of the service worker takes over. */
export const outdatedMessage = "orca-durable:outdated";

function prefixOf(database: string): string {
  return `${database}/serves/`;
}

/** Says that this page executes the tenant's runs, until `signal` aborts. Resolves once others can see it. */
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

/** The tenants for which some page executes; `undefined` where the platform cannot say. */
export async function servedTenants(database: string): Promise<ReadonlySet<string> | undefined> {
  const prefix = prefixOf(database);
  const state = await lockManager()?.query();
  const names = state?.held?.flatMap(({ name = "" }) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []));
  return names && new Set(names);
}

function lockManager(): LockManager | undefined {
  return (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks;
}
