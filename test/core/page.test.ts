import fc from "fast-check";
import { expect, test } from "vitest";
import { readPage } from "../../src/runs/page.ts";

const mebi = 1024 * 1024;

interface Row {
  readonly index: number;
  readonly body: string;
}
// Of a body no more than its length is looked at.
const rowOf = (length: number, index: number): Row => ({ index, body: { length } as string });
const lengths = fc.array(fc.oneof(fc.nat(2_000), fc.nat(5 * mebi)), { maxLength: 200 });

test("pages add up to the list, whatever the lengths of its rows and the limit", async () => {
  await fc.assert(
    fc.asyncProperty(lengths, fc.integer({ min: 1, max: 60 }), async (sizes, limit) => {
      const all = sizes.map(rowOf);
      const seen: number[] = [];
      for (let from = 0; ; ) {
        let held = 0;
        const { rows, isMore } = await readPage<Row>(limit, async (after, size) => {
          expect(size).toBeGreaterThan(0);
          const begin = after === undefined ? from : after.index + 1;
          held += Math.min(size, all.length - begin);
          return all.slice(begin, begin + size);
        });
        expect(rows.length).toBeLessThanOrEqual(limit);
        // Not many more are read than are on the page.
        expect(held).toBeLessThanOrEqual(limit + 1 + 101);
        const length = rows.reduce((sum, { body }) => sum + body.length, 0);
        expect(rows.length <= 1 || length <= 4 * mebi).toBe(true);
        seen.push(...rows.map(({ index }) => index));
        if (!isMore) break;
        expect(rows.length).toBeGreaterThan(0);
        from += rows.length;
      }
      expect(seen).toEqual(all.map(({ index }) => index));
    }),
  );
});
