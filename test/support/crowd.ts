import { turn, until } from "./scene.ts";

/** A handler that counts its calls, and how many there are side by side. The first wait for each other, until there are as many as expected. */
export function crowd(expected = 1) {
  const seen = { now: 0, most: 0, calls: 0 };
  const call = async () => {
    seen.calls++;
    seen.now++;
    seen.most = Math.max(seen.most, seen.now);
    await until(() => seen.most >= expected);
    for (let n = 0; n < 5; n++) await turn();
    seen.now--;
  };
  return { seen, call };
}
