import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/codec/index.ts";
import { Client, type HttpHome, runPath } from "../../support/http-home.ts";
import { httpSkills } from "../../support/http-skills.ts";

/** Where runs come from and what came of them, what changed from checkpoint to checkpoint, and lists in pages. */
export function testFamilies(home: HttpHome): void {
  const client = new Client(home);

  const descend = async (runId: string, kind: "fork" | "replay", body: JsonObject = {}) => {
    const { run } = await client.expect(200, client.post(runPath(runId, kind), body));
    return (run as JsonObject).run_id as string;
  };
  const lineage = (runId: string) => client.expect(200, client.get(runPath(runId, "lineage")));
  const idsOf = (nodes: unknown) => (nodes as readonly JsonObject[]).map(({ run_id }) => run_id);

  describe("the lineage of a run", () => {
    test("is the run alone if it has no ancestors and no descendants", async () => {
      const runId = await client.create("http.chain");
      const { run, ...rest } = await lineage(runId);
      expect(run).toEqual({
        run_id: runId,
        source_run_id: null,
        checkpoint_id: null,
        kind: null,
        skill_id: "http.chain",
        status: "pending",
        created_at: expect.stringMatching(/Z$/),
      });
      expect(rest).toEqual({ ancestors: [], descendants: [], has_more: false });
    });

    test("has forks and replays of forks, parents before children and the nearest ancestor first", async () => {
      const root = await client.settled("http.chain", { value: 1 });
      const fork = await descend(root, "fork");
      const replay = await descend(root, "replay");
      const grandchild = await descend(fork, "replay");
      const great = await descend(grandchild, "fork");
      const family = await lineage(root);
      const descendants = idsOf(family.descendants);
      expect([...descendants].sort()).toEqual([fork, replay, grandchild, great].sort());
      expect(descendants.slice(2)).toEqual([grandchild, great]);
      const head = (await client.run(root)).checkpoint_head;
      const nodes = family.descendants as readonly JsonObject[];
      expect(nodes.find(({ run_id }) => run_id === fork)).toMatchObject({
        kind: "fork",
        source_run_id: root,
        checkpoint_id: head,
      });
      expect(nodes.find(({ run_id }) => run_id === replay)).toMatchObject({ kind: "replay", source_run_id: root });
      const last = await lineage(great);
      expect(idsOf(last.ancestors)).toEqual([grandchild, fork, root]);
      expect(last).toMatchObject({ run: { kind: "fork" }, descendants: [], has_more: false });
    });

    test("shows an ancestor that was deleted, and what is left of its family", async () => {
      const root = await client.settled("http.chain", { value: 1 });
      const fork = await descend(root, "fork");
      const child = await descend(fork, "fork");
      await client.expect(204, client.call("DELETE", runPath(fork)));
      const { ancestors } = await lineage(child);
      const nulls = { source_run_id: null, checkpoint_id: null, kind: null };
      expect(ancestors).toEqual([
        { run_id: fork, is_missing: true, ...nulls, skill_id: null, status: null, created_at: null },
      ]);
      expect((await lineage(root)).descendants).toEqual([]);
      await client.refusal("not_found", client.get(runPath(fork, "lineage")));
    });

    test("ends if metadata leads in a circle, to the run itself, or to no run", async () => {
      const create = (run_id: string, source_run_id: unknown) =>
        client.expect(
          201,
          client.post("/v1/runs", { skill_id: "http.chain", run_id, start: false, metadata: { source_run_id } }),
        );
      await create("circle a", "circle b");
      await create("circle b", "circle a");
      expect(await lineage("circle a")).toMatchObject({
        ancestors: [{ run_id: "circle b" }],
        descendants: [],
        has_more: false,
      });
      await create("its own source", "its own source");
      expect(await lineage("its own source")).toMatchObject({ ancestors: [], descendants: [] });
      await create("source unknown", "x".repeat(500));
      expect((await lineage("source unknown")).ancestors).toMatchObject([{ is_missing: true }]);
      await create("source of a wrong type", { a: 1 });
      expect((await lineage("source of a wrong type")).ancestors).toEqual([]);
    });

    test("is of one tenant alone", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const beta = new Client(home, "beta");
      await beta.refusal("not_found", beta.get(runPath(runId, "lineage")));
      const metadata = { source_run_id: runId };
      const body = { skill_id: "http.chain", run_id: "of beta", start: false, metadata };
      await beta.expect(201, beta.post("/v1/runs", body));
      expect((await lineage(runId)).descendants).toEqual([]);
      const { ancestors } = await beta.expect(200, beta.get(runPath("of beta", "lineage")));
      expect(ancestors).toMatchObject([{ run_id: runId, is_missing: true, status: null }]);
    });
  });

  describe("the children of a run", () => {
    const children = (runId: string, query = "") =>
      client.expect(200, client.get(`${runPath(runId, "children")}${query}`));
    /** A parent of that many children, once all of them wait. */
    const parentOf = async (count: number) => {
      const runId = await client.start("http.parent", { count });
      await client.reached(runId, "waiting_for_signal");
      for (const child of idsOf((await children(runId)).children)) {
        await client.reached(child as string, "waiting_for_signal");
      }
      return runId;
    };

    test("are none, or those that its steps have started, which name it", async () => {
      const alone = await client.create("http.chain");
      expect(await children(alone)).toEqual({
        run_id: alone,
        children: [],
        pagination: { limit: 100, has_more: false },
      });
      const runId = await parentOf(1);
      const page = await children(runId);
      expect(page).toEqual({
        run_id: runId,
        children: [
          {
            run_id: expect.stringMatching(/^child_/),
            step_id: "child 0",
            is_detached: false,
            skill_id: "http.listening",
            status: "waiting_for_signal",
            created_at: expect.stringMatching(/Z$/),
          },
        ],
        pagination: { limit: 100, has_more: false },
      });
      const [child] = idsOf(page.children) as [string];
      expect(await client.run(child)).toMatchObject({ parent_run_id: runId, parent_step_id: "child 0" });
      expect((await children(child)).children).toEqual([]);
      await client.expect(200, client.post(runPath(child, "signal"), { name: "go", payload: 7 }));
      expect((await client.reached(runId, "completed")).result).toEqual([{ heard: 7 }]);
      expect((await children(runId)).children).toMatchObject([{ run_id: child, status: "completed" }]);
    });

    test("come in pages, each once", async () => {
      const runId = await parentOf(5);
      const whole = idsOf((await children(runId)).children);
      expect([...whole].sort()).toEqual(whole);
      const seen: unknown[] = [];
      for (let after: unknown = undefined, more = true; more; ) {
        const page = await children(runId, `?limit=2${after === undefined ? "" : `&after=${after}`}`);
        seen.push(...idsOf(page.children));
        const { has_more, next_after } = page.pagination as JsonObject;
        expect(has_more).toBe(next_after !== undefined);
        [after, more] = [next_after, has_more === true];
      }
      expect(seen).toEqual(whole);
      expect(await children(runId, "?limit=5")).not.toHaveProperty("pagination.next_after");
      const page = await client.expect(200, client.get(`${runPath(runId, "children")}?after=${whole[4]}`));
      expect(page.children).toEqual([]);
    });

    test("are canceled with it, and those that were deleted are missing", async () => {
      const runId = await parentOf(2);
      await client.expect(200, client.post(runPath(runId, "cancel")));
      const [first, second] = idsOf((await children(runId)).children) as [string, string];
      for (const child of [first, second]) await client.reached(child, "canceled");
      await client.expect(204, client.call("DELETE", runPath(first)));
      const nulls = { skill_id: null, status: null, created_at: null };
      expect((await children(runId)).children).toMatchObject([
        { run_id: first, is_missing: true, ...nulls },
        { run_id: second, status: "canceled" },
      ]);
    });

    test.each([
      ["limit=0", "limit: expected a whole number"],
      ["limit=501", "limit: expected a whole number"],
      ["after=nothing", "after: expected the id of a child"],
      ["after=%C3%A9", "after: expected 1 to 200"],
    ])("asked for by %s are a 400", async (query, message) => {
      const runId = await client.create("http.chain");
      const error = await client.refusal("invalid_request", client.get(`${runPath(runId, "children")}?${query}`));
      expect((error.message as string).slice(0, message.length)).toBe(message);
    });

    test("are in its lineage, and it is in theirs", async () => {
      const runId = await parentOf(2);
      const { descendants } = await lineage(runId);
      const whole = idsOf((await children(runId)).children);
      expect(idsOf(descendants)).toEqual(whole);
      expect(descendants).toMatchObject([
        { parent_run_id: runId, parent_step_id: expect.stringMatching(/^child \d$/), kind: null, source_run_id: null },
        { parent_run_id: runId },
      ]);
      const { ancestors, run } = await lineage(whole[0] as string);
      expect(idsOf(ancestors)).toEqual([runId]);
      expect([run, ancestors]).toMatchObject([{ parent_run_id: runId }, [{ skill_id: "http.parent" }]]);
    });

    test("are named by the refusal to delete it, and by that to delete one of them", async () => {
      const runId = await parentOf(1);
      const [child] = idsOf((await children(runId)).children) as [string];
      const remove = (id: string) => client.refusal("conflict", client.call("DELETE", runPath(id)));
      expect(await remove(runId)).toMatchObject({ hint: `its children that have not ended: "${child}"` });
      expect((await remove(child)).hint).toContain(`its parent: "${runId}"`);
    });

    test("are reused by a replay and started by a fork, unless the request says otherwise", async () => {
      const runId = await parentOf(1);
      const [child] = idsOf((await children(runId)).children) as [string];
      await client.expect(200, client.post(runPath(child, "signal"), { name: "go", payload: 7 }));
      await client.reached(runId, "completed");
      const first = (await client.checkpoints(runId))[0]?.checkpoint_id as string;
      const has = async (kind: "fork" | "replay", more: JsonObject) => {
        const id = await descend(runId, kind, { checkpoint_id: first, ...more });
        if (kind === "fork") await client.expect(200, client.post(runPath(id, "resume")));
        const { status } = await client.reached(id, "completed", "waiting_for_signal");
        return [status, idsOf((await children(id)).children).length];
      };
      const [reused, started] = [
        ["completed", 0],
        ["waiting_for_signal", 1],
      ];
      expect(await has("replay", {})).toEqual(reused);
      expect(await has("replay", { children: "reuse" })).toEqual(reused);
      expect(await has("replay", { children: "start" })).toEqual(started);
      expect(await has("fork", {})).toEqual(started);
      expect(await has("fork", { children: null })).toEqual(started);
      expect(await has("fork", { children: "reuse" })).toEqual(reused);
      for (const kind of ["fork", "replay"]) {
        const error = await client.refusal("invalid_request", client.post(runPath(runId, kind), { children: "some" }));
        expect(error.message).toMatch(/^children: expected reuse or start/);
      }
    });

    test("are of one tenant alone", async () => {
      const runId = await parentOf(1);
      const beta = new Client(home, "beta");
      await beta.refusal("not_found", beta.get(runPath(runId, "children")));
    });
  });

  describe("an edited fork", () => {
    test("continues from the edited state, and shows the edit as a difference", async () => {
      const runId = await client.settled("http.chain", { value: "old", other: 1 });
      const first = (await client.checkpoints(runId))[0]?.checkpoint_id as string;
      const edit = { inputs: { value: { $durable: ["date", "2026-03-26T12:00:00.000Z"] } }, vars: { note: "mine" } };
      const forkId = await descend(runId, "fork", { checkpoint_id: first, edit });
      const [copy, edited] = await client.checkpoints(forkId);
      expect([copy?.checkpoint_id, edited?.kind]).toEqual([first, "state_edited"]);
      const path = runPath(forkId, "checkpoints", edited?.checkpoint_id as string, "diff");
      expect(await client.expect(200, client.get(path))).toEqual({
        run_id: forkId,
        from: first,
        to: edited?.checkpoint_id,
        changes: [
          { op: "replace", path: "/inputs/value", before: "old", after: edit.inputs.value },
          { op: "add", path: "/vars/note", after: "mine" },
        ],
      });
      await client.expect(200, client.post(runPath(forkId, "resume")));
      const { result } = await client.reached(forkId, "completed");
      expect(result).toEqual({ value: edit.inputs.value });
    });

    test.each([
      [{ edit: [] }, "edit: expected an object, not an array"],
      [{ edit: "x" }, "edit: expected an object, not a string"],
      [{ edit: { inputs: 1 } }, "edit.inputs: expected an object, not a number"],
      [{ edit: { vars: [] } }, "edit.vars: expected an object, not an array"],
      [{ edit: { vars: { a: { $durable: ["date", "?"] } } } }, "edit.vars.a: unknown or malformed"],
    ])("of %j is a 400", async (body, message) => {
      const runId = await client.create("http.chain");
      const error = await client.refusal("invalid_request", client.post(runPath(runId, "fork"), body));
      expect((error.message as string).slice(0, message.length)).toBe(message);
      expect((await lineage(runId)).descendants).toEqual([]);
    });
  });

  describe("the difference of two checkpoints", () => {
    const diff = (runId: string, to: string, query = "") =>
      client.get(`${runPath(runId, "checkpoints", to, "diff")}${query}`);

    test("of a run shows what each step did", async () => {
      const runId = await client.settled("http.chain", { value: "x" });
      const ids = (await client.checkpoints(runId)).map(({ checkpoint_id }) => checkpoint_id as string);
      const [first = "", one = "", two = ""] = ids;
      const changes = async (to: string, query = "") =>
        (await client.expect(200, diff(runId, to, query))).changes as readonly JsonObject[];
      expect(await changes(one)).toContainEqual({ op: "add", path: "/vars/one", after: "x" });
      expect(await changes(two)).toContainEqual({ op: "add", path: "/vars/two", after: "x" });
      expect(await changes(two)).not.toContainEqual({ op: "add", path: "/vars/one", after: "x" });
      const since = await changes(two, `?against=${first}`);
      expect(since).toContainEqual({ op: "add", path: "/vars/one", after: "x" });
      const back = await changes(first, `?against=${two}`);
      expect(back).toContainEqual({ op: "remove", path: "/vars/one", before: "x" });
      expect(await changes(two, `?against=${two}`)).toEqual([]);
    });

    test("of the first checkpoint is all of its state", async () => {
      const runId = await client.create("http.chain", { value: "x" });
      const to = (await client.run(runId)).checkpoint_head as string;
      const { state } = await client.expect(200, client.get(runPath(runId, "checkpoints", to)));
      expect(await client.expect(200, diff(runId, to))).toEqual({
        run_id: runId,
        from: null,
        to,
        changes: [{ op: "add", path: "", after: state }],
      });
    });

    test("names places as JSON pointers, for keys of any name", async () => {
      const runId = await client.create("http.chain");
      const save = async (checkpoint_id: string, vars: string) => {
        const body = `{"checkpoint_id": "${checkpoint_id}", "kind": "k", "state": {"skill_id": "http.chain", "inputs": {}, "vars": ${vars}}}`;
        await client.expect(201, client.post(runPath(runId, "checkpoints"), body));
      };
      await save("a", '{"__proto__": {"x": 1}, "a/b": 1, "m~n": 1, "": 1, "constructor": [1, 2, {"k": 1}], "gone": 1}');
      await save(
        "b",
        '{"__proto__": {"x": 2}, "a/b": 2, "m~n": 2, "": 2, "constructor": [1, 3, {"k": 1}, 4], "toString": null}',
      );
      const { text } = await diff(runId, "b");
      expect(JSON.parse(text).changes).toEqual([
        { op: "replace", path: "/vars/__proto__/x", before: 1, after: 2 },
        { op: "replace", path: "/vars/a~1b", before: 1, after: 2 },
        { op: "replace", path: "/vars/m~0n", before: 1, after: 2 },
        { op: "replace", path: "/vars/", before: 1, after: 2 },
        { op: "replace", path: "/vars/constructor/1", before: 2, after: 3 },
        { op: "add", path: "/vars/constructor/3", after: 4 },
        { op: "remove", path: "/vars/gone", before: 1 },
        { op: "add", path: "/vars/toString", after: null },
      ]);
    });

    test("with a run that does not exist is a 404, and with an invalid id a 400", async () => {
      const runId = await client.create("http.chain");
      const to = (await client.run(runId)).checkpoint_head as string;
      await client.refusal("not_found", diff("nowhere", to));
      await client.refusal("not_found", diff(runId, "nowhere"));
      await client.refusal("not_found", diff(runId, to, "?against=nowhere"));
      for (const against of ["", "%00", "x".repeat(201), "%C3%A9"]) {
        await client.refusal("invalid_request", diff(runId, to, `?against=${against}`));
      }
      const beta = new Client(home, "beta");
      await beta.refusal("not_found", beta.get(runPath(runId, "checkpoints", to, "diff")));
    });
  });

  describe("pages", () => {
    test("by cursor contain each run once, even if others are created meanwhile", async () => {
      const own = new Client(home, "listed");
      const pages = async (query: string, between: () => Promise<unknown>) => {
        const seen: string[] = [];
        for (let cursor: string | undefined = ""; cursor !== undefined; ) {
          const page: JsonObject = await own.expect(200, own.get(`/v1/runs?limit=2${query}&cursor=${cursor}`));
          seen.push(...(idsOf(page.runs) as string[]));
          const { has_more, next_cursor } = page.pagination as { has_more: boolean; next_cursor?: string };
          expect(has_more).toBe(next_cursor !== undefined);
          expect(page.pagination).not.toHaveProperty("total");
          cursor = next_cursor;
          await between();
        }
        return seen;
      };
      for (let index = 0; index < 5; index++) await own.create("http.chain");
      const whole = await own.expect(200, own.get("/v1/runs?limit=500"));
      const before = idsOf(whole.runs);
      expect(await pages("", () => own.create("http.listening"))).toEqual(before);
      const filtered = await own.expect(200, own.get("/v1/runs?limit=500&skill_id=http.chain&order=ascending"));
      const ascending = await pages("&skill_id=http.chain&order=ascending", async () => {});
      expect(ascending).toEqual(idsOf(filtered.runs));
      const chains = await own.expect(200, own.get("/v1/runs?limit=500&skill_id=http.chain"));
      expect([...ascending].reverse()).toEqual(idsOf(chains.runs));
    });

    test.each(["x", "%00", "MTIz", btoa("1:"), btoa("x:run"), btoa("-1:run"), btoa("1:\u00e9"), "x".repeat(10_000)])(
      "by an invalid cursor are a 400: %.40s",
      async (cursor) => {
        await client.refusal("invalid_request", client.get(`/v1/runs?cursor=${encodeURIComponent(cursor)}`));
      },
    );

    test.each([
      ["order=sideways", "order: expected ascending or descending"],
      ["skill_id=", "skill_id: expected 1 to 200"],
      ["source_run_id=%C3%A9", "source_run_id: expected 1 to 200"],
      ["cursor=&offset=1", "offset: send either `offset` or `cursor`, not both"],
    ])("asked for by %s are a 400", async (query, message) => {
      const error = await client.refusal("invalid_request", client.get(`/v1/runs?${query}`));
      expect(error.message).toContain(message);
    });

    test("of one source have its forks and replays, and their total", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const forks = [await descend(runId, "fork"), await descend(runId, "replay")];
      const page = await client.expect(200, client.get(`/v1/runs?source_run_id=${runId}`));
      expect((idsOf(page.runs) as string[]).sort()).toEqual(forks.sort());
      expect(page.pagination).toMatchObject({ total: 2 });
    });

    test("of checkpoints add up to the whole list", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const whole = await client.checkpoints(runId);
      for (const limit of [1, 2, 500]) {
        const paged: JsonObject[] = [];
        for (let query: string | undefined = ""; query !== undefined; ) {
          const path = `${runPath(runId, "checkpoints")}?limit=${limit}${query}`;
          const page: JsonObject = await client.expect(200, client.get(path));
          paged.push(...(page.checkpoints as readonly JsonObject[]));
          expect(page.total).toBe(whole.length);
          query = page.next_after === undefined ? undefined : `&after=${page.next_after as string}`;
        }
        expect(paged).toEqual(whole);
      }
      await client.refusal("not_found", client.get(`${runPath(runId, "checkpoints")}?after=nowhere`));
      await client.refusal("invalid_request", client.get(`${runPath(runId, "checkpoints")}?limit=0`));
      await client.refusal("invalid_request", client.get(`${runPath(runId, "checkpoints")}?after=`));
    });
  });

  describe("a trace", () => {
    test("has the steps of the head, in the names of the state", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const trace = await client.expect(200, client.get(runPath(runId, "trace")));
      const run = await client.run(runId);
      expect(trace).toMatchObject({ run_id: runId, trace_id: run.trace_id, status: "completed" });
      const { state } = await client.expect(
        200,
        client.get(runPath(runId, "checkpoints", run.checkpoint_head as string)),
      );
      const { steps, metrics } = (state as JsonObject).trace as JsonObject;
      expect([trace.steps, trace.metrics]).toEqual([steps, metrics]);
      expect((steps as readonly JsonObject[]).map(({ step_id }) => step_id)).toEqual(["one", "two", "three"]);
    });

    test("of a run that has done nothing is empty, and of none a 404", async () => {
      const runId = await client.create("http.chain");
      expect(await client.expect(200, client.get(runPath(runId, "trace")))).toMatchObject({ steps: [] });
      await client.refusal("not_found", client.get(runPath("nowhere", "trace")));
    });
  });

  test("the skills are those that are served, each with its steps", async () => {
    const { skills } = await client.expect(200, client.get("/v1/skills"));
    const served = skills as readonly JsonObject[];
    const ids = served.map(({ skill_id }) => skill_id);
    expect(new Set(ids).size).toBe(ids.length);
    // A home may have further ones of its own.
    expect(ids).toEqual(expect.arrayContaining(httpSkills.map(({ id }) => id)));
    expect(served.find(({ skill_id }) => skill_id === "http.chain")).toEqual({
      skill_id: "http.chain",
      versions: ["1.0.0"],
      description: null,
      form: "graph",
      steps: [
        { step_id: "one", depends_on: [] },
        { step_id: "two", depends_on: ["one"] },
        { step_id: "three", depends_on: ["two"] },
      ],
    });
  });
}
