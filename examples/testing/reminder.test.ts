import { expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime } from "../../src/index.ts";
import {
  crashingStore,
  createTestRuntime,
  mockCapabilities,
  mockSteps,
  virtualClock,
} from "../../src/testing/index.ts";
import { sendMail } from "./mail.ts";
import { reminder } from "./reminder.ts";

test("a customer who has not paid within a week is reminded", async () => {
  const sent: string[] = [];
  const mails = mockCapabilities([sendMail], {
    "mail.send": (mail) => void sent.push((mail as { text: string }).text),
  });
  const { runs, settle, advance } = createTestRuntime({ skills: [reminder], capabilities: mails });

  const { run } = await runs.start({ skillId: "invoice.remind", inputs: { customer: "Alice" } });
  await settle(); // the run waits for the payment, as data
  await advance(8 * 24 * 3_600_000);

  expect((await runs.get(run.runId)).result).toEqual({ paid: 0, reminded: true });
  expect(sent).toEqual(["Your invoice is ready.", "Your invoice is a week old."]);
});

test("a customer who has paid is not reminded", async () => {
  const mocked = mockSteps(reminder, { write: { returns: null }, payment: { returns: 12 } });
  const { runs } = createTestRuntime({ skills: [mocked], capabilities: [sendMail] });
  const { run } = await runs.start({ skillId: "invoice.remind", inputs: { customer: "Alice" } });
  expect((await runs.settled(run.runId)).result).toEqual({ paid: 12, reminded: false });
});

test("a crash at any commit sends no mail twice", async () => {
  let crashes = 0;
  for (let atCommit = 1; ; atCommit++) {
    const sentUnder = new Set<string>();
    const capabilities = mockCapabilities([sendMail], {
      "mail.send": (_mail, { idempotencyKey }) => void sentUnder.add(idempotencyKey),
    });
    const skills = [mockSteps(reminder, { payment: { returns: 12 } })];
    const clock = virtualClock();
    const store = memoryStore();

    const crashing = crashingStore(store, { atCommit, moment: "after", calls: "reject" });
    const first = createRuntime({ store: crashing, serves: false, clock, skills, capabilities, onError: () => {} });
    await first
      .for("test")
      .start({ skillId: "invoice.remind", runId: "r", inputs: { customer: "Alice" } })
      .catch(() => {});
    await first.idle();
    if (!crashing.crashed) break;
    crashes++;

    const second = createRuntime({ store, serves: false, clock, skills, capabilities });
    await clock.advance(60_000); // past the lease of the dead executor
    await second.drain();
    await second.idle();
    expect((await second.for("test").get("r")).status).toBe("completed");
    // One key: a mail service that honors it has sent one mail.
    expect(sentUnder.size).toBe(1);
  }
  expect(crashes).toBeGreaterThan(3);
});
