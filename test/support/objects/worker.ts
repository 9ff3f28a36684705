import { DurableObject } from "cloudflare:workers";
import { durableObjectStore, ObjectAlarm, type ObjectStorage } from "../../../adapters/durable-object/index.ts";
import { defineSkill } from "../../../src/index.ts";
import type { Store } from "../../../src/store.ts";
import { runsObject } from "../../../worker/cloudflare/index.ts";
import { scheduleApi } from "../../../worker/schedules/http/index.ts";
import { scheduling } from "../../../worker/schedules/index.ts";
import { httpCapabilities, httpSkills } from "../http-skills.ts";

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

/** The objects of the HTTP suite. */
export class HttpRuns extends runsObject({
  skills: [...httpSkills, scheduling],
  capabilities: httpCapabilities,
  schedules: scheduleApi,
}) {}

const inHttpRuns = { skills: httpSkills, capabilities: httpCapabilities, onError: () => {} };

/** The objects of hostile requests, which can be waited for. */
export class FuzzRuns extends runsObject(inHttpRuns) {
  readonly #work: Set<Promise<unknown>>;
  readonly #storage: ObjectStorage;

  constructor(state: ConstructorParameters<ReturnType<typeof runsObject>>[0], env: object) {
    const work = new Set<Promise<unknown>>();
    const waitUntil = (one: Promise<unknown>) => {
      const done = one.finally(() => work.delete(done));
      work.add(done);
      state.waitUntil(done);
    };
    super(
      { storage: state.storage, waitUntil, blockConcurrencyWhile: (begin) => state.blockConcurrencyWhile(begin) },
      env,
    );
    this.#work = work;
    this.#storage = state.storage;
    countChanges(state.storage);
  }

  /** Resolves once nothing is executed. */
  async idle(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  /** The number of rows that were changed. */
  changes(): number {
    return Number(this.#storage.sql.exec("SELECT count(*) AS changes FROM changes").toArray()[0]?.changes);
  }
}

/** Triggers on every table: what a statement writes is seen whatever it was meant for. */
function countChanges({ sql }: ObjectStorage): void {
  sql.exec("CREATE TABLE IF NOT EXISTS changes (what TEXT NOT NULL) STRICT");
  const tables = sql
    .exec("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*'")
    .toArray();
  for (const { name } of tables.filter(({ name }) => name !== "changes")) {
    for (const verb of ["INSERT", "UPDATE", "DELETE"]) {
      sql.exec(
        `CREATE TRIGGER IF NOT EXISTS "seen_${verb}_${name}" AFTER ${verb} ON "${name}" BEGIN INSERT INTO changes (what) VALUES ('${verb} ${name}'); END`,
      );
    }
  }
}

/** What the skills below do to their object, and what the tests look at. */
export const perils = { abort: (_reason: string): void => {}, hung: 0, crashed: 0, constructed: 0 };

const perilous = [
  defineSkill({
    id: "hanging",
    version: "1",
    run: (step) =>
      step.do("hang", async ({ signal }) => {
        perils.hung += 1;
        if (perils.hung === 1) await new Promise((_, reject) => signal.addEventListener("abort", reject));
        return perils.hung;
      }),
  }),
  defineSkill({ id: "sleeping", version: "1", run: (step, { ms }: { ms: number }) => step.sleep("sleep", ms) }),
  defineSkill({
    id: "poisonous",
    version: "1",
    run: (step) =>
      step.do("poison", async () => {
        // What was committed before leaves the object first.
        await new Promise((resolve) => setTimeout(resolve, 50));
        perils.abort("a poisonous run");
      }),
  }),
  defineSkill({
    id: "crashing once",
    version: "1",
    run: (step) =>
      step.do("crash", async () => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        perils.crashed += 1;
        if (perils.crashed === 1) perils.abort("it crashed");
      }),
  }),
  defineSkill({
    id: "neighborly",
    version: "1",
    async run(step) {
      await step.do("begin", async () => new Promise((resolve) => setTimeout(resolve, 200)));
      await step.do("end", async () => null);
    },
  }),
];

/** The objects whose runs bring them down, or outlive them. */
export class PerilRuns extends runsObject({ skills: perilous, onError: () => {} }) {
  constructor(
    state: ConstructorParameters<ReturnType<typeof runsObject>>[0] & { abort(reason: string): void },
    env: object,
  ) {
    super(state, env);
    perils.constructed += 1;
    perils.abort = (reason) => state.abort(reason);
  }
}

export default { fetch: () => new Response("a worker of tests") };
