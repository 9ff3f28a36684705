import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ServiceWorkerVersion, ServiceWorkerVersions } from "../../worker/browser/service-worker-scope.ts";
import {
  askToYield,
  followMessage,
  succession,
  takeOverMessage,
  yieldMessage,
} from "../../worker/browser/succession.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A version in a state that a test moves on, and what it was sent. */
function version(state: string) {
  const listeners: (() => void)[] = [];
  const sent: string[] = [];
  const ports: MessagePort[] = [];
  const it = {
    state,
    sent,
    postMessage(message: string, [port]: MessagePort[] = []) {
      sent.push(message);
      if (port !== undefined) ports.push(port);
    },
    /** Answers what it was sent last. */
    answers: (message: string) => void ports.at(-1)?.postMessage(message),
    addEventListener: (_: "statechange", listener: () => void) => void listeners.push(listener),
    becomes(next: string) {
      it.state = next;
      for (const listener of listeners) listener();
    },
  };
  return it satisfies ServiceWorkerVersion;
}

interface Versions {
  installing: ServiceWorkerVersion | null;
  waiting: ServiceWorkerVersion | null;
  active: ServiceWorkerVersion | null;
  update: ServiceWorkerVersions["update"];
}

function versions(): Versions {
  return { installing: null, waiting: null, active: null, update: async () => undefined };
}

test("what was yielded to a version that failed is taken back, once that is certain", () => {
  const registration = versions();
  const one = succession({ registration });
  registration.installing = version("installing");
  one.yield();
  expect(one.yielded.aborted).toBe(true);
  vi.advanceTimersByTime(60_000);
  expect(one.yielded.aborted).toBe(true);
  registration.installing = null;
  expect(one.yielded.aborted).toBe(false);
});

test("a message may come before the browser shows the version that sent it", () => {
  const one = succession({ registration: versions() });
  one.yield();
  vi.advanceTimersByTime(9_000);
  expect(one.yielded.aborted).toBe(true);
  vi.advanceTimersByTime(2_000);
  expect(one.yielded.aborted).toBe(false);
});

test("the next version is asked to take over once it is installed; without one, the registration is updated", async () => {
  const next = version("installing");
  const registration = versions();
  registration.update = async () => {
    registration.installing = next;
  };
  const one = succession({ registration });
  const asided = one.standAside();
  await vi.advanceTimersByTimeAsync(10);
  expect([one.yielded.aborted, next.sent]).toEqual([true, []]);
  next.becomes("installed");
  await asided;
  expect(next.sent).toEqual([takeOverMessage]);
});

test("a next version that fails to be installed is asked nothing, and without one nothing is yielded", async () => {
  const registration = versions();
  const one = succession({ registration });
  await one.standAside();
  expect(one.yielded.aborted).toBe(false);
  const failing = version("installing");
  registration.installing = failing;
  const asided = one.standAside();
  failing.becomes("redundant");
  await asided;
  expect(failing.sent).toEqual([]);
});

test("an instance asks once whether the version that was there before it waits, and yields if that one does not", async () => {
  const next = version("installed");
  const one = succession({ registration: { ...versions(), waiting: next } });
  one.askNext();
  one.askNext();
  expect([next.sent, one.yielded.aborted]).toEqual([[followMessage], false]);
  const yielded = new Promise((resolve) => one.yielded.addEventListener("abort", resolve));
  next.answers(yieldMessage);
  await yielded;
});

test("an instance that was there before the next version, or has yielded to it, asks it nothing", () => {
  const registration = versions();
  const one = succession({ registration });
  one.askNext();
  const next = version("installing");
  registration.installing = next;
  one.askNext();
  const other = succession({ registration });
  other.yield();
  other.askNext();
  expect(next.sent).toEqual([]);
});

test("a version that must yield is awaited until it has, for a limited time", async () => {
  const last = version("activated");
  let answered = 0;
  const count = () => answered++;
  const first = askToYield(last).then(count);
  expect([last.sent, answered]).toEqual([[yieldMessage], 0]);
  last.answers(yieldMessage);
  await first;
  const second = askToYield(last).then(count);
  await vi.advanceTimersByTimeAsync(2_900);
  expect(answered).toBe(1);
  await vi.advanceTimersByTimeAsync(200);
  await second;
  expect(answered).toBe(2);
  await askToYield(null);
});
