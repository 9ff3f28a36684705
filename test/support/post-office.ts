import { expect } from "vitest";
import {
  type AnyCapability,
  type CapabilityDefinition,
  defineCapability,
  defineGraphSkill,
  defineSkill,
  type Runs,
  type Skill,
  type StepConfig,
} from "../../src/index.ts";
import type { Scene } from "./scene.ts";

interface Mail {
  readonly to: unknown;
  readonly key: string;
}

export interface PostOffice {
  /** Every call of the handler, in order. */
  readonly sent: Mail[];
  /** Mails that the receiver keeps apart by their keys. */
  readonly delivered: () => number;
  /** What the handler does once the mail is sent; it returns `"sent"` where nothing is said. */
  afterwards: (signal: AbortSignal) => unknown;
  readonly capabilities: readonly AnyCapability[];
  readonly skills: readonly Skill[];
}

const workers = ["draft", "after"].map((id) =>
  defineCapability<{ text?: string }>({ id, version: "1" }, ({ text }) => (text === undefined ? `${id} done` : text)),
);

/** Skills around one capability that sends mail: draft, mail, after. */
export function postOffice(definition: Partial<Omit<CapabilityDefinition, "input">> = {}): PostOffice {
  const sent: Mail[] = [];
  const office: PostOffice = {
    sent,
    delivered: () => new Set(sent.map(({ key }) => key)).size,
    afterwards: () => "sent",
    capabilities: [
      ...workers,
      defineCapability<string>(
        { id: "mail", version: "1", sideEffects: "external_action", ...definition },
        async (to, { idempotencyKey, signal }) => {
          sent.push({ to, key: idempotencyKey });
          return office.afterwards(signal);
        },
      ),
    ],
    skills: [
      defineGraphSkill({
        id: "news",
        version: "1",
        steps: [
          { id: "draft", uses: "draft", input: { text: "inputs.to" }, output: "vars.to" },
          { id: "mail", uses: "mail", input: "vars.to", output: "outputs.mail" },
          { id: "after", uses: "after" },
        ],
      }),
      defineGraphSkill({
        id: "two mails",
        version: "1",
        steps: [
          { id: "first", uses: "mail", input: "inputs.to", dependsOn: [] },
          { id: "second", uses: "mail", input: "inputs.to", dependsOn: [] },
        ],
      }),
      defineGraphSkill({
        id: "early news",
        version: "1",
        steps: [
          { id: "mail", uses: "mail", input: "inputs.to", output: "outputs.mail" },
          { id: "wait", waitFor: { signal: "go" } },
        ],
      }),
    ],
  };
  return office;
}

/** The same, with a code-first skill. */
export function codeOffice(policy: Pick<StepConfig, "replayPolicy">): PostOffice {
  const office = postOffice();
  const news = defineSkill<{ to: string }, unknown>({
    id: "news",
    version: "1",
    async run(step, { to }) {
      const draft = await step.do("draft", async () => to);
      const mail = await step.do(
        "mail",
        { sideEffects: "external_action", ...policy },
        async ({ idempotencyKey, signal }) => {
          office.sent.push({ to: draft, key: idempotencyKey });
          return office.afterwards(signal);
        },
      );
      await step.do("after", async () => "after done");
      return { mail };
    },
  });
  return { ...office, skills: [news] };
}

export const to = { to: "ada" };

/** A run of `news` that has sent its mail and is completed. */
export async function published({ actor }: Scene, office: PostOffice) {
  const first = actor(office);
  const run = await first.start(to, "news");
  expect(run).toMatchObject({ status: "completed", result: { mail: "sent" } });
  expect(office.sent).toHaveLength(1);
  return { run, ...first };
}

export function withFailing(id: string, { capabilities }: PostOffice): readonly AnyCapability[] {
  const failing = defineCapability({ id, version: "1" }, () => {
    throw new Error("not yet");
  });
  return [...capabilities.filter(({ definition }) => definition.id !== id), failing];
}

/** What happened to the step, by the run's events. */
export async function happened(runs: Runs, runId: string, stepId: string): Promise<string[]> {
  const events = (await runs.events(runId)).items;
  return events.filter(({ payload }) => payload.step_id === stepId).map(({ eventType }) => eventType);
}

/** The gates at which the run began to wait. */
export async function gates(runs: Runs, runId: string): Promise<unknown[]> {
  const events = (await runs.events(runId)).items;
  return events.filter(({ eventType }) => eventType === "run.waiting_for_human").map(({ payload }) => payload);
}
