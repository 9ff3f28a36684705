import { expectKind, withMethods } from "../../src/argument.ts";
import { DurableError, isDurableError } from "../../src/errors.ts";
import { read } from "../../src/json.ts";
import type { Store } from "../../src/store.ts";
import { migrate } from "../sql/migrate.ts";
import { type Columns, sqlStore } from "../sql/store.ts";
import type { Statement } from "../sql/writes.ts";
import { ObjectAlarm } from "./alarm.ts";
import type { ObjectStorage } from "./storage.ts";

export { ObjectAlarm } from "./alarm.ts";
export type { ObjectSql, ObjectStorage } from "./storage.ts";

/**
 * After this many commits the event loop turns once. A commit waits for nothing, so a run of quick steps would otherwise keep each
 * other request of the object waiting until it ends.
 */
const commitsPerTurn = 16;

/**
 * A store in the SQLite of a Durable Object. Make it in the object's constructor, once per object.
 *
 * A commit resolves at once: the platform holds back what leaves the object until its writes are durable, so no caller
 * sees more than what is kept. With a commit of a run that is due, the object's alarm is armed, in the same transaction.
 *
 * @example
 * ```ts
 * import { createRuntime } from "orca-durable";
 * import { durableObjectStore, type ObjectStorage } from "orca-durable/durable-object";
 * import { skills } from "./skills.ts";
 *
 * export class Runs {
 *   readonly #runtime;
 *
 *   constructor(state: { readonly storage: ObjectStorage }) {
 *     this.#runtime = createRuntime({ store: durableObjectStore(state.storage), skills, serves: false });
 *   }
 *
 *   async fetch() {
 *     const { run } = await this.#runtime.for("acme").start({ skillId: "letter" });
 *     return Response.json(run);
 *   }
 * }
 * ```
 *
 * @throws `invalid_request` if it is not the storage of an object with SQLite; `store_outdated` if a newer version of this package
 * has changed its tables.
 */
export function durableObjectStore(storage: ObjectStorage, alarm: ObjectAlarm = new ObjectAlarm(storage)): Store {
  expectKind(storage, withMethods("transactionSync", "getAlarm", "setAlarm"), "storage");
  read("storage", () => expectKind(storage.sql, withMethods("exec"), "storage.sql"));
  expectKind(alarm, withMethods("ready", "armed"), "alarm");
  const execute = ([sql, values]: Statement): Columns[] =>
    storage.sql.exec(sql, ...values.map((value) => value ?? null)).toArray();
  try {
    migrate({ execute, transaction: (work) => storage.transactionSync(work) });
  } catch (cause) {
    if (isDurableError(cause)) throw cause;
    throw new DurableError("store_failed", "the tables of the object's SQLite could not be made", { cause });
  }
  let commits = 0;
  return sqlStore({
    name: "the object's SQLite",
    read: async (statement) => execute(statement),
    async write(statements, { run }) {
      await alarm.ready();
      await alarm.armed(run.dueAt, () => statements.forEach(execute));
      commits += 1;
      if (commits % commitsPerTurn === 0) await turn();
    },
  });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
