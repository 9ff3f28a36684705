import { defineSkill, isDurableError } from "../../../src/index.ts";
import { createPage, type PageOptions } from "../../../worker/browser/page.ts";
import { addMigration } from "../service-worker/newer.ts";
import nested from "./nested/service-worker.ts?worker&url";

/** What the page's address says of it. */
export interface MadePage extends Pick<PageOptions, "registration" | "everyMs"> {
  /** The address of a service worker's script; `nested` is one in a folder of its own, as Vite serves it. */
  readonly worker?: string;
  /** Knows a version of the database that others do not. */
  readonly isNewer?: boolean;
  /** Every transaction fails from the beginning. */
  readonly isBroken?: boolean;
}

/** An error as a test sees it. */
export interface Told {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** What a test can do with the page. */
export interface TriedPage {
  /** What `onError` was called with. */
  readonly errors: readonly Told[];
  /** How often the database was asked. */
  transactions(): number;
  /** How `ready` ended; `undefined` as long as it has not. */
  ready(): Told | "ready" | undefined;
  /** How a run ended that was started here. */
  run(): Promise<unknown>;
  stop(): Promise<void>;
  locks(): Promise<{ readonly held: readonly string[]; readonly pending: number }>;
}

declare global {
  interface Window {
    readonly tried: TriedPage;
  }
}

const made = JSON.parse(new URLSearchParams(location.search).get("made") ?? "{}") as MadePage;
if (made.isNewer === true) addMigration();

let transactions = 0;
const original = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (...given) {
  transactions++;
  if (made.isBroken === true) throw new DOMException("the disk is broken", "UnknownError");
  return original.apply(this, given);
};

const told = (error: unknown): Told => {
  if (!isDurableError(error)) return { code: "raw", message: String(error) };
  return { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
};

const errors: Told[] = [];
const { worker, registration, everyMs } = made;
const page = createPage({
  tenant: "me",
  skills: [defineSkill({ id: "one", version: "1", run: (step) => step.do("one", async () => "done") })],
  capabilities: [],
  onError: (error) => errors.push(told(error)),
  ...(worker === undefined ? {} : { serviceWorker: worker === "nested" ? nested : worker }),
  ...(registration === undefined ? {} : { registration }),
  ...(everyMs === undefined ? {} : { everyMs }),
});
let ready: Told | "ready" | undefined;
page.ready.then(
  () => {
    ready = "ready";
  },
  (error) => {
    ready = told(error);
  },
);

const tried: TriedPage = {
  errors,
  transactions: () => transactions,
  ready: () => ready,
  run: () =>
    page.runs.start({ skillId: "one" }).then(
      async ({ run }) => (await page.runs.settled(run.runId)).result,
      (error) => told(error),
    ),
  stop: () => page.stop(),
  async locks() {
    const { held = [], pending = [] } = await navigator.locks.query();
    return { held: held.map(({ name = "" }) => name), pending: pending.length };
  },
};
Object.assign(window, { tried });
