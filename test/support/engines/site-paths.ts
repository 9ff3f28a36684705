/** The script of test/support/service-worker/worker.ts, whose scope is the whole site. */
export const serviceWorkerPath = "/service-worker.js";
/** Its answer takes the storage of the site away, databases and service workers, as when its data is cleared in the browser. */
export const clearStoragePath = "/clear-storage";
/** The paths under `?under=` that reached the server so far. */
export const passedPath = "/passed";
/** The page of test/support/presence, which executes. */
export const executorPath = "/executor";
