import { createServiceWorker } from "../../../worker/browser/service-worker.ts";
import { apiKeys, type Caller } from "../../../worker/http/index.ts";
import { apiReference } from "../../../worker/http/reference.ts";
import { scheduleApi } from "../../../worker/schedules/http/index.ts";
import { scheduling } from "../../../worker/schedules/index.ts";
import { httpCapabilities, httpSkills } from "../http-skills.ts";
import { addMigration } from "./newer.ts";
import { shownCapabilities, shownSkills } from "./skills.ts";

/** What the script's address says of how the worker is made. */
export interface WorkerSettings {
  /** Callers by key. By default every call is the tenant's. */
  readonly keys?: readonly (readonly [key: string, caller: string | Caller])[];
  readonly basePath?: string;
  readonly executes?: boolean;
  readonly passMs?: number;
  readonly graceMs?: number;
  readonly holdMs?: number;
  readonly skipWaiting?: boolean;
  /** True if it knows a version of the database that others do not. */
  readonly newer?: boolean;
  /** Tells one version of the script from another. */
  readonly version?: number;
  /** False if the browser is to seem to have no Web Locks. */
  readonly locks?: boolean;
}

/** The tenant where there are no keys. */
const tenant = "me";

const { keys, locks, newer, version, ...settings } = JSON.parse(
  new URL(location.href).searchParams.get("settings") ?? "{}",
) as WorkerSettings;
// Each instance of the script says that it begins.
new BroadcastChannel("births").postMessage(version);
if (locks === false) Object.defineProperty(navigator, "locks", { value: undefined });
if (newer === true) addMigration();
const known = apiKeys(keys ?? []);

createServiceWorker({
  ...(keys === undefined ? { tenant } : { authenticate: ({ request }) => known(request) }),
  // With keys it is a home of the suite, which knows all the skills that are there.
  skills: keys === undefined ? [...httpSkills, ...shownSkills] : [...httpSkills, scheduling],
  capabilities: [...httpCapabilities, ...shownCapabilities("service worker")],
  reference: apiReference,
  schedules: scheduleApi,
  skipWaiting: true,
  ...settings,
}).listen();
