import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/codec/index.ts";
import { Client, type HttpHome, runPath } from "../../support/http-home.ts";
import { mailboxSize } from "../../support/http-skills.ts";

/** Many callers at once. */
export function testRaces(home: HttpHome): void {
  const client = new Client(home);
  const atOnce = <T>(count: number, call: (index: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: count }, (_, index) => call(index)));
  const byTen = async <T>(count: number, call: (index: number) => Promise<T>): Promise<T[]> => {
    const each = (first: number) => Array.from({ length: count / 10 }, (_, index) => first + index * 10);
    const series = async (first: number) => {
      const answers: T[] = [];
      for (const index of each(first)) answers.push(await call(index));
      return answers;
    };
    return (await atOnce(10, series)).flat();
  };

  describe("many callers at once", () => {
    test("fifty approvals of one gate: one opens it, and the step after it is executed once", async () => {
      const runId = await client.start("http.gated");
      await client.reached(runId, "waiting_for_human");
      const answers = await atOnce(50, (index) =>
        client.post(runPath(runId, "approve"), { approver: `person ${index}` }),
      );
      const opened = answers.filter(({ status }) => status === 200);
      const refused = answers.filter(({ status }) => status === 409);
      expect([opened.length, refused.length]).toEqual([1, 49]);
      for (const { body } of refused) expect((body.error as JsonObject).code).toBe("invalid_transition");
      const done = await client.reached(runId, "completed");
      expect(done.result).toEqual({ drafted: 1, sent: 1 });
      const { approval_request } = (opened[0]?.body.run ?? {}) as { approval_request: { approver: string } };
      expect(done.approval_request).toMatchObject({ approver: approval_request.approver });
      const events = await client.events(runId);
      expect(events.filter((type) => type === "run.approved")).toHaveLength(1);
      expect(events.filter((type) => type === "step.completed")).toHaveLength(2);
    });

    test("a hundred signals during one long step: it is executed once, and none is lost", async () => {
      const runId = await client.start("http.mailbox", { latch: "mailed" });
      const answers = await byTen(mailboxSize, (index) =>
        client.post(runPath(runId, "signal"), { name: "mail", payload: `mail ${index}` }),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: mailboxSize }, () => 200));
      expect(await client.run(runId)).toMatchObject({ status: "running" });
      await client.release("mailed");
      const { result } = await client.reached(runId, "completed");
      const { calls, ...mails } = result as Record<string, unknown>;
      expect(calls).toBe(1);
      expect(Object.values(mails).sort()).toEqual(Array.from({ length: mailboxSize }, (_, i) => `mail ${i}`).sort());
    });

    test("twenty resumes of one pending run: one is accepted", async () => {
      const runId = await client.create("http.held", { latch: "resumed by one" });
      const answers = await atOnce(20, () => client.post(runPath(runId, "resume")));
      await client.release("resumed by one");
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 409)).toHaveLength(19);
      expect(await client.reached(runId, "completed")).toMatchObject({ result: { calls: 1 } });
    });

    test("twenty runs of one id: one is created", async () => {
      const answers = await atOnce(20, () =>
        client.post("/v1/runs", { skill_id: "http.chain", run_id: "wanted by twenty", start: false }),
      );
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 409)).toHaveLength(19);
      expect(await client.checkpoints("wanted by twenty")).toHaveLength(1);
    });

    test("forty checkpoints saved to one run: all are there, in one order, and the head is the last", async () => {
      const runId = await client.create("http.chain");
      const state = (index: number) => ({ skill_id: "http.chain", inputs: { value: index } });
      const answers = await byTen(40, (index) =>
        client.post(runPath(runId, "checkpoints"), { checkpoint_id: `c${index}`, kind: "k", state: state(index) }),
      );
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
      const checkpoints = await client.checkpoints(runId);
      expect(checkpoints).toHaveLength(41);
      expect((await client.run(runId)).checkpoint_head).toBe(checkpoints.at(-1)?.checkpoint_id);
      for (const index of [0, 17, 39]) {
        const { state: saved } = await client.expect(200, client.get(runPath(runId, "checkpoints", `c${index}`)));
        expect(saved).toMatchObject({ inputs: { value: index } });
      }
    });
  });
}
