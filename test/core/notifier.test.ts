import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { broadcastNotifier, localNotifier } from "../../src/index.ts";
import type { Changed, Notifier } from "../../src/types.ts";

const changed: Changed = { tenant: "t", runId: "r", executor: "tab_a" };

const open: { close(): void }[] = [];
let channels = 0;

afterEach(() => {
  vi.unstubAllGlobals();
  for (const one of open.splice(0)) one.close();
});

/** Two of one channel, as two tabs have them, and what the second hears. */
function pair() {
  const name = `notifier ${++channels}`;
  const [teller, hearer, raw] = [broadcastNotifier(name), broadcastNotifier(name), new BroadcastChannel(name)];
  open.push(teller, hearer, raw);
  const heard: Changed[] = [];
  hearer.subscribe((one) => heard.push(one));
  return { teller, hearer, raw, heard };
}

test("a change is heard in the other tab, and once in its own", async () => {
  const { teller, heard } = pair();
  const own: Changed[] = [];
  teller.subscribe((one) => own.push(one));
  teller.notify(changed);
  await expect.poll(() => heard).toEqual([changed]);
  expect(own).toEqual([changed]);
});

test("what is not a change is not heard", async () => {
  const { teller, raw, heard } = pair();
  const garbage: unknown[] = [
    null,
    undefined,
    "t",
    7,
    [],
    {},
    { tenant: "t" },
    { runId: "r" },
    { tenant: 1, runId: "r" },
    { tenant: "t", runId: { id: "r" } },
    { tenant: "", runId: "r" },
    { tenant: "t", runId: "line\nbreak" },
    { tenant: "t", runId: "r", executor: 3 },
    { version: 99, change: { tenant: "t", runId: "r" } },
    new Map([["tenant", "t"]]),
  ];
  for (const one of garbage) raw.postMessage(one);
  // Messages come in their order, so that all before this one have been looked at.
  teller.notify(changed);
  await expect.poll(() => heard.length).toBeGreaterThan(0);
  await pause(50);
  expect(heard).toEqual([changed]);
});

test("it can be closed twice, and a later notification reaches neither the channel nor this object", async () => {
  const { teller, hearer, heard } = pair();
  const own: Changed[] = [];
  teller.subscribe((one) => own.push(one));
  teller.close();
  teller.subscribe((one) => own.push(one));
  teller.close();
  teller.notify(changed);
  hearer.notify({ ...changed, runId: "later" });
  await pause(50);
  expect([own, heard]).toEqual([[], [{ ...changed, runId: "later" }]]);
});

test("a closed one hears nothing more", async () => {
  const { teller, hearer, heard } = pair();
  hearer.close();
  teller.notify(changed);
  await pause(50);
  expect(heard).toEqual([]);
});

test.each<[string, () => Notifier]>([
  ["local", localNotifier],
  ["broadcast", () => broadcastNotifier(`notifier ${++channels}`)],
])("a subscription ends where it is ended, also twice: %s", (_, make) => {
  const notifier = make();
  open.push(notifier);
  const heard: Changed[] = [];
  const end = notifier.subscribe((one) => heard.push(one));
  notifier.notify(changed);
  end();
  end();
  notifier.notify(changed);
  expect(heard).toEqual([changed]);
});

test.each<[string, unknown]>([
  ["is missing", undefined],
  [
    "is refused",
    class {
      constructor() {
        throw new DOMException("no", "SecurityError");
      }
    },
  ],
])("where BroadcastChannel %s, making one says that it is unsupported", (_, stub) => {
  vi.stubGlobal("BroadcastChannel", stub);
  expect(() => broadcastNotifier()).toThrow(expect.objectContaining({ code: "unsupported" }));
});
