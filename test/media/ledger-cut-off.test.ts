import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import {
  defineGraphSkill,
  defineMigration,
  defineSkill,
  literal,
  NothingHappenedError,
  type Skill,
  type WorkflowBody,
} from "../../src/index.ts";
import { gates, type PostOffice, postOffice, to } from "../support/post-office.ts";
import { leaseMs, type Scene, scene, until } from "../support/scene.ts";

type Version = Pick<Skill, "version" | "migrations">;

// What happens to an action if it is unknown whether it happened.

const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));

describe(`an effect that was cut off on ${medium}`, () => {
  /** A run whose executor died after the mail was sent, and before that was recorded. */
  const cutOff = async ({ actor }: Scene, office: PostOffice): Promise<string> => {
    office.afterwards = () => new Promise(() => {});
    const doomed = actor(office);
    const runId = await doomed.begin(to, "news");
    await until(() => office.sent.length > 0);
    await doomed.die();
    office.afterwards = () => "sent";
    return runId;
  };

  played("is done again under the same key, whichever executor takes the run over", async (scene) => {
    const office = postOffice();
    const runId = await cutOff(scene, office);
    expect(await scene.actor(office).later(leaseMs, runId)).toMatchObject({ status: "completed" });
    expect(office.sent).toHaveLength(2);
    expect(office.delivered()).toBe(1);
  });

  played("is not done again without a person where doing it twice does it twice", async (scene) => {
    const office = postOffice({ isIdempotent: false });
    const runId = await cutOff(scene, office);
    const { later, runs, settled } = scene.actor(office);
    expect(await later(leaseMs, runId)).toMatchObject({
      status: "waiting_for_human",
      approvalRequest: { stepId: "mail", capabilityId: "mail" },
    });
    expect(await gates(runs, runId)).toEqual([{ step_id: "mail", capability_id: "mail", reason: "attempted" }]);
    expect(office.sent).toHaveLength(1);
    await runs.approve(runId);
    expect(await settled(runId)).toMatchObject({ status: "completed" });
    expect(office.sent).toHaveLength(2);
    expect(office.delivered()).toBe(1);
  });

  played("is asked about again where it is cut off again: an approval is for one attempt", async (scene) => {
    const office = postOffice({ isIdempotent: false });
    const runId = await cutOff(scene, office);
    const doomed = scene.actor(office);
    expect(await doomed.later(leaseMs, runId)).toMatchObject({ status: "waiting_for_human" });
    office.afterwards = () => new Promise(() => {});
    await doomed.runs.approve(runId);
    await until(() => office.sent.length === 2);
    await doomed.die();
    const last = scene.actor(office);
    expect(await last.later(leaseMs, runId)).toMatchObject({ status: "waiting_for_human" });
    expect(office.sent).toHaveLength(2);
  });

  played("stays undone when a person denies it", async (scene) => {
    const office = postOffice({ isIdempotent: false });
    const runId = await cutOff(scene, office);
    const { later, runs } = scene.actor(office);
    await later(leaseMs, runId);
    expect(await runs.deny(runId)).toMatchObject({ status: "canceled" });
    expect(office.sent).toHaveLength(1);
  });

  played("by a cancel is asked about where the run is resumed after all", async (scene) => {
    const office = postOffice({ isIdempotent: false });
    office.afterwards = () => new Promise(() => {});
    const { begin, runs, settled } = scene.actor(office);
    const runId = await begin(to, "news");
    await until(() => office.sent.length > 0);
    expect(await runs.cancel(runId)).toMatchObject({ status: "canceled" });
    await settled(runId);
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "waiting_for_human" });
    expect(office.sent).toHaveLength(1);
  });

  played("by a timeout is tried again under the same key", async ({ actor, clock }) => {
    const office = postOffice({ timeout: 60_000, retries: { limit: 1, delay: 0 } });
    office.afterwards = () => (office.sent.length === 1 ? new Promise(() => {}) : "sent");
    const { begin, settled } = actor(office);
    const runId = await begin(to, "news");
    await until(() => office.sent.length > 0);
    clock.advance(60_000);
    expect(await settled(runId)).toMatchObject({ status: "completed" });
    expect(office.sent).toHaveLength(2);
    expect(office.delivered()).toBe(1);
  });

  played("by a timeout asks a person where doing it twice does it twice", async ({ actor, clock }) => {
    const office = postOffice({ timeout: 60_000, retries: { limit: 2, delay: 0 }, isIdempotent: false });
    office.afterwards = () => new Promise(() => {});
    const { begin, settled, runs } = actor(office);
    const runId = await begin(to, "news");
    await until(() => office.sent.length > 0);
    clock.advance(60_000);
    expect(await settled(runId)).toMatchObject({ status: "waiting_for_human" });
    expect(await gates(runs, runId)).toMatchObject([{ reason: "attempted" }]);
    office.afterwards = () => "sent";
    await runs.approve(runId);
    expect(await settled(runId)).toMatchObject({ status: "completed" });
    expect(office.sent).toHaveLength(2);
  });

  played("a handler that says that nothing happened is called again without a person", async ({ actor }) => {
    class Theirs extends Error {
      override readonly name = "NothingHappenedError";
    }
    for (const error of [new NothingHappenedError("declined"), new Theirs("declined")]) {
      const office = postOffice({ isIdempotent: false, retries: { limit: 1, delay: 0 } });
      office.afterwards = () => {
        if (office.sent.length === 1) throw error;
        return "sent";
      };
      const { start } = actor(office);
      expect(await start(to, "news")).toMatchObject({ status: "completed", result: { mail: "sent" } });
      expect(office.sent).toHaveLength(2);
    }
  });

  played("an error is no certainty: a connection may break after the mail was sent", async ({ actor }) => {
    const office = postOffice({ isIdempotent: false, retries: { limit: 2, delay: 0 } });
    office.afterwards = () => Promise.reject(new TypeError("fetch failed"));
    const { start, runs, settled } = actor(office);
    const { runId, status } = await start(to, "news");
    expect(status).toBe("waiting_for_human");
    expect(await gates(runs, runId)).toMatchObject([{ reason: "attempted" }]);
    expect(office.sent).toHaveLength(1);
    office.afterwards = () => "sent";
    await runs.approve(runId);
    expect(await settled(runId)).toMatchObject({ status: "completed" });
    expect(office.sent).toHaveLength(2);
  });

  played("what was returned and cannot be kept has happened, and is asked about", async ({ actor }) => {
    const office = postOffice({ isIdempotent: false });
    office.afterwards = () => new (class Receipt {})() as never;
    const { start, runs, settled } = actor(office);
    const { runId, ...run } = await start(to, "news");
    expect(run).toMatchObject({ status: "failed", error: { code: "invalid_output" } });
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "waiting_for_human" });
    expect(office.sent).toHaveLength(1);
  });

  played("of a code-first step has the same key again, or asks", async ({ actor }) => {
    for (const isIdempotent of [true, false]) {
      const keys: string[] = [];
      const body =
        (isFirst: boolean): WorkflowBody =>
        (step) =>
          step.do("mail", { sideEffects: "external_action", isIdempotent }, async ({ idempotencyKey }) => {
            keys.push(idempotencyKey);
            return isFirst ? new Promise<string>(() => {}) : "sent";
          });
      const doomed = actor({ body: body(true) });
      const runId = await doomed.begin();
      await until(() => keys.length > 0);
      await doomed.die();
      const next = actor({ body: body(false) });
      const run = await next.later(leaseMs, runId);
      expect(run.status).toBe(isIdempotent ? "completed" : "waiting_for_human");
      if (!isIdempotent) await next.runs.approve(runId);
      expect(await next.settled(runId)).toMatchObject({ status: "completed", result: "sent" });
      expect(keys).toEqual([keys[0], keys[0]]);
    }
  });

  const hourMs = 3_600_000;
  const first: Version = { version: "1", migrations: [] };
  const second: Version = { version: "2", migrations: [defineMigration({ from: "1" })] };
  /** Skills that send one mail, to whom is said here. */
  const forms: Readonly<Record<string, (to: string, version?: Version) => Skill>> = {
    body: (to, version = first) =>
      defineSkill({
        id: "one mail",
        ...version,
        // A body that catches everything does not go on as another one.
        run: (step) => step.use("mail", "mail", to).catch(() => "caught"),
      }),
    graph: (to, version = first) =>
      defineGraphSkill({
        id: "one mail",
        ...version,
        steps: [{ id: "mail", uses: "mail", input: literal(to), output: "outputs.mail", onFailure: "continue" }],
      }),
  };
  for (const [form, oneMail] of Object.entries(forms)) {
    played(`has one input at all attempts: another one fails the run, and is not sent, by a ${form}`, async (scene) => {
      const { actor } = scene;
      const office = postOffice({ retries: { limit: 3, delay: hourMs, backoff: "constant" } });
      office.afterwards = () => Promise.reject(new TypeError("fetch failed"));
      const doomed = actor({ ...office, skills: [oneMail("ada")] });
      const { runId } = await doomed.start({}, "one mail");
      expect(await doomed.later(hourMs, runId)).toMatchObject({ status: "running" });
      expect(office.sent).toHaveLength(2);
      await doomed.die();
      const other = actor({ ...office, skills: [oneMail("bob")] });
      expect(await other.later(hourMs, runId)).toMatchObject({
        status: "failed",
        error: { code: "nondeterminism", stepId: "mail", message: expect.stringContaining('step "mail"') },
      });
      expect(office.sent).toHaveLength(2);
      await other.die();
      office.afterwards = () => "sent";
      const right = actor({ ...office, skills: [oneMail("ada")] });
      await right.runs.resume(runId);
      expect(await right.settled(runId)).toMatchObject({ status: "completed" });
      expect(office.sent).toHaveLength(3);
      expect(office.delivered()).toBe(1);
    });

    played(
      `has one input before and behind the gate that asks whether it happened, by a ${form}`,
      async ({ actor }) => {
        const office = postOffice({ isIdempotent: false, retries: { limit: 3, delay: hourMs, backoff: "constant" } });
        office.afterwards = () => Promise.reject(new TypeError("fetch failed"));
        const doomed = actor({ ...office, skills: [oneMail("ada")] });
        const { runId } = await doomed.start({}, "one mail");
        expect(await doomed.later(hourMs, runId)).toMatchObject({ status: "waiting_for_human" });
        await doomed.die();
        const other = actor({ ...office, skills: [oneMail("bob")] });
        await other.runs.approve(runId);
        expect(await other.settled(runId)).toMatchObject({ status: "failed", error: { code: "nondeterminism" } });
        expect(office.sent).toHaveLength(1);
      },
    );

    played(
      `has the input of the later version of its skill, where one took the run over, by a ${form}`,
      async ({ actor }) => {
        const office = postOffice({ retries: { limit: 3, delay: hourMs, backoff: "constant" } });
        office.afterwards = () => Promise.reject(new TypeError("fetch failed"));
        const doomed = actor({ ...office, skills: [oneMail("ada")] });
        const { runId } = await doomed.start({}, "one mail");
        await doomed.die();
        office.afterwards = () => "sent";
        const next = actor({ ...office, skills: [oneMail("bob", second)] });
        expect(await next.later(hourMs, runId)).toMatchObject({ status: "completed" });
        expect(office.sent.map(({ to }) => to)).toEqual(["ada", "bob"]);
      },
    );
  }
});
