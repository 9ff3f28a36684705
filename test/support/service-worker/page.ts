import { indexedDbStore } from "../../../adapters/indexeddb/index.ts";
import { createRuntime } from "../../../src/index.ts";
import type { Run } from "../../../src/types.ts";
import { createPage } from "../../../worker/browser/page.ts";
import { createWireClient } from "../../../worker/client/index.ts";
import { httpCapabilities, httpSkills } from "../http-skills.ts";
import { addMigration } from "./newer.ts";
import { callers, openLatch } from "./notes.ts";
import { shownCapabilities, shownSkills } from "./skills.ts";

/** What a test can do with a page of the site. Its address says whether it executes, and by what name. */
export interface SitePage {
  /** The run, read past the service worker, which must not notice the read. */
  look(runId: string): Promise<LookedUp>;
  /** The ids of the run's events as the client gets them, until the run has ended. */
  watch(runId: string): Promise<string[]>;
  callers(runId: string): Promise<string[]>;
  openLatch(latch: string): Promise<void>;
}

export interface LookedUp extends Pick<Run, "status" | "result"> {
  /** The types of its events. */
  readonly events: readonly string[];
}

declare global {
  interface Window {
    readonly site: SitePage;
  }
}

const query = new URLSearchParams(location.search);
const script = query.get("worker") ?? "";
const skills = [...httpSkills, ...shownSkills];
const capabilities = [...httpCapabilities, ...shownCapabilities(query.get("name") ?? "page")];

if (query.get("newer") === "yes") addMigration();
const store = indexedDbStore();
const looking = createRuntime({ serves: false, store, executes: false }).for("me");

if (query.get("serves") === "yes") {
  const holdMs = Number(query.get("holdMs") ?? 5_000);
  await createPage({ tenant: "me", skills, capabilities, serviceWorker: script, holdMs }).ready;
} else {
  await navigator.serviceWorker.register(script);
  while (navigator.serviceWorker.controller === null) await new Promise((resolve) => setTimeout(resolve, 10));
}

const site: SitePage = {
  async look(runId) {
    const { status, result } = await looking.get(runId);
    return { status, result, events: (await looking.events(runId)).items.map(({ eventType }) => eventType) };
  },
  async watch(runId) {
    const ids: string[] = [];
    for await (const event of createWireClient(location.origin).watch(runId)) ids.push(event.event_id);
    return ids;
  },
  callers,
  openLatch,
};

Object.assign(window, { site });
