import { maxRowBytes, type Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { all, expectCommitted, row } from "../rows.ts";

/** Texts that a store that parses, trims, normalizes or guesses does not return unchanged. */
const oddTexts = [
  ...["", " ", "  two  spaces  ", "\t", "\n", "\r\n", "line\nline\r\nline\rline", " \u00a0\u2003\ufeff"],
  ...["null", "undefined", "true", "0", "1", "1.0", "007", "1e3", "-0", "0x10", "NaN", "Infinity"],
  ...[
    "{",
    "{}",
    "[]",
    '"',
    '{"a":1,"a":2}',
    '{ "b": 1.0 }',
    "'",
    "''",
    "\\",
    "\\u0041",
    "\\n",
    "--",
    "/*",
    ";",
    "%",
    "?1",
  ],
  ...["2024-01-01T00:00:00.000Z", "2024-01-01", "X'00'", "<![CDATA[]]>", "&amp;", "\x24{x}", "$&", "$1"],
  ...["\u00e9", "e\u0301", "\ufb01", "\u212b", "\u0131\u0130", "\u1e9e", "\u200b", "\u202e", "\u2028\u2029"],
  ...["\ufeff", "\ufffd", "\ufffe\uffff", "\ue000", "\u{1f600}", "\u{10ffff}", "👩‍👩‍👧‍👦", "🇨🇭", "\u{20000}\u{2ffff}"],
  ...["\u007f\u0080\u009f", String.fromCharCode(...Array.from({ length: 0x1f }, (_, index) => index + 1))],
];

/** How a body is written to each of the four places that hold one, and read back by every method that returns it. */
const places = {
  row: async (store: Store, tenant: string, revision: number, body: string) => {
    await expectCommitted(store, row(tenant, "r", { revision, body, dueAt: 1 }));
    return [
      (await store.getRun(tenant, "r"))?.body,
      (await store.listRuns(tenant, { limit: all, order: "ascending" }))[0]?.body,
      (await store.dueRuns({ tenant, now: 1, limit: all }))[0]?.body,
    ];
  },
  entry: async (store: Store, tenant: string, revision: number, body: string) => {
    const entry = { body, checkpointId: `c${revision}` };
    await expectCommitted(store, row(tenant, "r", { revision }), { entry });
    return [
      (await store.getEntry(tenant, "r", entry.checkpointId))?.body,
      (await store.listEntries(tenant, "r", { after: revision - 1, limit: 1 }))[0]?.body,
    ];
  },
  snapshot: async (store: Store, tenant: string, revision: number, body: string) => {
    await expectCommitted(store, row(tenant, "r", { revision }), { entry: { body: "entry", snapshot: body } });
    return [(await store.getSnapshots(tenant, "r", revision, revision))[0]?.body];
  },
  claim: async (store: Store, tenant: string, revision: number, body: string) => {
    await expectCommitted(store, row(tenant, "r", { revision }), { claims: [{ kind: "k", key: "a", body }] });
    return [
      (await store.getClaim(tenant, "k", "a"))?.body,
      (await store.listClaims(tenant, "r", { limit: 1 }))[0]?.body,
    ];
  },
};

async function expectKept(place: keyof typeof places, store: Store, tenant: string, bodies: readonly string[]) {
  for (const [index, body] of bodies.entries()) {
    const read = await places[place](store, tenant, index + 1, body);
    expectEqual(
      read,
      read.map(() => body),
      `${place} body number ${index}`,
    );
  }
}

const largest = ["x".repeat(maxRowBytes), "\u{1f600}".repeat(maxRowBytes / 4), '\n"\\'.repeat(85_000)];

/** Bodies are opaque, and kept to the byte. */
export const bodyCases = [
  storeCase("bodies.odd-rows", "Odd texts in the body of a row are kept to the byte.", ({ store, tenant }) =>
    expectKept("row", store, tenant, oddTexts),
  ),

  storeCase("bodies.odd-entries", "Odd texts in the body of an entry are kept to the byte.", ({ store, tenant }) =>
    expectKept("entry", store, tenant, oddTexts),
  ),

  storeCase("bodies.odd-snapshots", "Odd texts in a snapshot are kept to the byte.", ({ store, tenant }) =>
    expectKept("snapshot", store, tenant, oddTexts),
  ),

  storeCase("bodies.odd-claims", "Odd texts in the body of a claim are kept to the byte.", ({ store, tenant }) =>
    expectKept("claim", store, tenant, oddTexts),
  ),

  storeCase(
    "bodies.largest",
    "The bodies of a row, an entry and a claim may have `maxRowBytes` bytes each, in one commit.",
    async ({ store, tenant }) => {
      for (const [index, body] of largest.entries()) {
        const checkpointId = `c${index}`;
        await expectCommitted(store, row(tenant, "r", { revision: index + 1, body }), {
          entry: { body, checkpointId },
          claims: [{ kind: "k", key: "a", body }],
        });
        expectEqual((await store.getRun(tenant, "r"))?.body, body, "row body");
        expectEqual((await store.getEntry(tenant, "r", checkpointId))?.body, body, "entry body");
        expectEqual((await store.getClaim(tenant, "k", "a"))?.body, body, "claim body");
      }
    },
  ),

  storeCase("bodies.snapshot-5mb", "A snapshot of five megabytes is kept to the byte.", async ({ store, tenant }) => {
    const body = Array.from({ length: 500_000 }, (_, index) => `${1_000_000_000 + index}`).join("");
    await expectCommitted(store, row(tenant, "r"), {
      entry: { body: "entry", checkpointId: "c", keyframe: 1, snapshot: body },
    });
    expectEqual(await store.getSnapshots(tenant, "r", 1, 1), [{ revision: 1, body }], "getSnapshots");
    expectEqual((await store.listEntries(tenant, "r", { limit: all })).length, 1, "entries");
  }),

  storeCase(
    "bodies.split-characters",
    "Long snapshots of four-byte characters are kept, wherever a store that splits them would cut.",
    async ({ store, tenant }) => {
      // Each prefix moves every possible cut by one byte and by one code unit.
      const bodies = ["", "x", "\u00e9", "\u20ac"].map((prefix) => prefix + "\u{1f600}".repeat(600_000) + prefix);
      for (const [index, snapshot] of bodies.entries()) {
        await expectCommitted(store, row(tenant, "r", { revision: index + 1 }), { entry: { body: "entry", snapshot } });
      }
      const expected = bodies.map((body, index) => ({ revision: index + 1, body }));
      expectEqual(await store.getSnapshots(tenant, "r", 1, bodies.length), expected, "getSnapshots");
      expectEqual(await store.getSnapshots(tenant, "r", 2, 2), expected.slice(1, 2), "the second snapshot alone");
    },
  ),
];
