import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import packageJson from "../../package.json" with { type: "json" };
import type { JsonObject } from "../../src/codec/index.ts";
import { intercepted } from "../../src/conformance/faults.ts";
import type { Store } from "../../src/store.ts";
import { importRun } from "../../src/transfer.ts";
import { homeOver, type Stored, storedCases, storedVersions } from "../support/upgrade/cases.ts";

/** The runs of a released version in memory, by its exports. */
async function imported({ exports }: Stored): Promise<Store> {
  const store = memoryStore();
  const { runs } = homeOver(store);
  for (const text of exports.values()) await importRun(runs, [text]);
  return store;
}

for (const stored of storedVersions) storedCases(stored, "exports", () => imported(stored));

test("there is a fixture of this version", () => {
  expect(storedVersions.map(({ version }) => version)).toContain(packageJson.version);
});

describe("what a newer version stored is refused, by name", () => {
  const newest = storedVersions.at(-1) as Stored;
  const later = (body: string, field = "format") => {
    const json = JSON.parse(body) as JsonObject;
    return JSON.stringify({ ...json, [field]: Number(json[field]) + 1 });
  };

  /** A store in which every body that a method gives is of the next format. */
  function newer(
    store: Store,
    method: string,
    change: (row: { body: string; revision?: number }) => { body: string },
  ): Store {
    return intercepted(store, async (call, proceed) => {
      const answer = (await proceed()) as unknown;
      if (call.method !== method || answer === undefined) return answer as never;
      const changed = Array.isArray(answer)
        ? answer.map((row) => ({ ...row, ...change(row) }))
        : { ...answer, ...change(answer as never) };
      return changed as never;
    });
  }

  test("a run's row", async () => {
    const { runs } = homeOver(newer(await imported(newest), "getRun", ({ body }) => ({ body: later(body) })));
    const refused = { code: "unsupported_version", message: expect.stringContaining('run "waiting"') };
    for (const attempt of [runs.get("waiting"), runs.resume("waiting"), runs.fork("waiting"), runs.cancel("waiting")]) {
      await expect(attempt).rejects.toMatchObject(refused);
    }
  });

  test("but a run of a newer row can be deleted: no list of its tenant hangs on it", async () => {
    const store = await imported(newest);
    await homeOver(newer(store, "getRun", ({ body }) => ({ body: later(body) }))).runs.delete("waiting");
    await expect(homeOver(store).runs.get("waiting")).rejects.toMatchObject({ code: "not_found" });
  });

  test("an entry of a history", async () => {
    const store = await imported(newest);
    const inList = homeOver(newer(store, "listEntries", ({ body }) => ({ body: later(body) }))).runs;
    // Each is shown as one that cannot be read here, and takes no other with it.
    const history = (await inList.history("completed")).items;
    expect(history.length).toBeGreaterThan(3);
    expect(history.every(({ isDamaged }) => isDamaged === true)).toBe(true);
    const { items: checkpoints } = await inList.listCheckpoints("completed");
    expect(new Set(checkpoints.map(({ kind }) => kind))).toEqual(new Set(["damaged"]));
    const alone = homeOver(newer(store, "getEntry", ({ body }) => ({ body: later(body) }))).runs;
    await expect(alone.resume("fork")).rejects.toMatchObject({ code: "unsupported_version" });
  });

  test("a keyframe, a delta, a state", async () => {
    const isKeyframe = ({ body }: { body: string }) => body.includes('"base":0,');
    const laterDelta = (row: { body: string }) => ({ body: later(row.body, "_delta_version") });
    // As one that holds the whole state in a newer form.
    const laterState = ({ body }: { body: string }) => ({ body: body.replace("{", '{"_checkpoint_version":2,') });
    for (const change of [
      (row: { body: string }) => (isKeyframe(row) ? laterDelta(row) : row),
      (row: { body: string }) => (isKeyframe(row) ? row : laterDelta(row)),
      (row: { body: string }) => (isKeyframe(row) ? laterState(row) : row),
    ]) {
      const { runs } = homeOver(newer(await imported(newest), "getSnapshots", change));
      const { head = "" } = await runs.listCheckpoints("completed");
      const named = {
        code: "unsupported_version",
        message: expect.stringContaining(`checkpoint "${head}" of run "completed"`),
      };
      await expect(runs.loadCheckpoint("completed", head)).rejects.toMatchObject(named);
      await expect(runs.replay("completed")).rejects.toMatchObject(named);
    }
  });

  test("an entry of the ledger", async () => {
    const { runs } = homeOver(
      newer(await imported(newest), "listClaims", ({ body }) => ({ body: body.startsWith("{") ? later(body) : body })),
    );
    await expect(runs.replay("completed")).rejects.toMatchObject({ code: "unsupported_version" });
  });

  test("an export", async () => {
    const [header = "", ...lines] = (newest.exports.get("saved") ?? "").split("\n");
    const { runs } = homeOver(memoryStore());
    await expect(importRun(runs, [later(header), "\n", lines.join("\n")])).rejects.toMatchObject({
      code: "unsupported_version",
      path: "line 1",
    });
  });

  test("but fields that it added to a body are no reason, and a drain passes over what it cannot read", async () => {
    const added = ({ body }: { body: string }) => ({
      body: body.startsWith("{") ? JSON.stringify({ ...JSON.parse(body), later: 1 }) : body,
    });
    const { runs } = homeOver(newer(newer(await imported(newest), "getRun", added), "listEntries", added));
    expect((await runs.get("waiting")).status).toBe("waiting_for_human");
    expect((await runs.history("waiting")).items.length).toBeGreaterThan(3);

    const { runtime, clock, hourMs, errors } = homeOver(
      newer(await imported(newest), "getRun", ({ body }) => ({ body: later(body) })),
    );
    await clock.advance(hourMs);
    expect(await runtime.drain()).toEqual({ taken: 0, passedOver: 2 });
    expect(errors.length).toBe(2);
    for (const error of errors) expect(error).toMatchObject({ code: "unsupported_version" });
  });
});
