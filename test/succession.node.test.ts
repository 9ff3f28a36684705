import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ServiceWorkerVersion, ServiceWorkerVersions } from "../worker/browser/service-worker-scope.ts";
import { succession, takeOverMessage } from "../worker/browser/succession.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A version in a state that a test moves on, and what it was sent. */
function version(state: string) {
  const listeners: (() => void)[] = [];
  const sent: string[] = [];
  const it = {
    state,
    sent,
    postMessage: (message: string) => void sent.push(message),
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

test("the next version is asked to take over once it is installed, and looked for where there is none", async () => {
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
