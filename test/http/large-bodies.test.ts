import { expect, test } from "vitest";
import { LargeBodies } from "../../worker/http/large-bodies.ts";

const kB = 1024;

/** A body of these bytes, and whether it has had its turn. */
function held(bodies: LargeBodies, bytes: number) {
  const body = bodies.open();
  body.add(bytes);
  const state = { isInWork: false, close: () => body.close() };
  void body.turn().then(() => {
    state.isInWork = true;
  });
  return state;
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

test("large bodies are processed one by one in their order, and small ones do not wait", async () => {
  const bodies = new LargeBodies(20_000 * kB);
  const all = [600, 300, 300, 900, 100].map((size) => held(bodies, size * kB));
  const small = held(bodies, 64 * kB);
  await settled();
  expect(small.isInWork).toBe(true);
  expect(all.map(({ isInWork }) => isInWork)).toEqual([true, true, false, false, false]);
  all[0]?.close();
  await settled();
  expect(all.map(({ isInWork }) => isInWork)).toEqual([true, true, true, false, false]);
  all[1]?.close();
  all[2]?.close();
  await settled();
  expect(all.map(({ isInWork }) => isInWork)).toEqual([true, true, true, true, true]);
});

test("a body over the limit of what is processed at once is processed alone", async () => {
  const bodies = new LargeBodies(20_000 * kB);
  const [large, next] = [held(bodies, 5_000 * kB), held(bodies, 100 * kB)];
  await settled();
  expect([large.isInWork, next.isInWork]).toEqual([true, false]);
  large.close();
  await settled();
  expect(next.isInWork).toBe(true);
});

test("what has been read and waits is bounded, and a rejected body does not count", () => {
  const bodies = new LargeBodies(1_000 * kB);
  const first = held(bodies, 900 * kB);
  const second = bodies.open();
  second.add(64 * kB);
  expect(() => second.add(100 * kB)).toThrow(expect.objectContaining({ code: "rate_limited", retryAfterMs: 1_000 }));
  second.close();
  const third = bodies.open();
  third.add(100 * kB);
  third.close();
  first.close();
  // One body alone is bounded by the app.
  bodies.open().add(2_000 * kB);
});
