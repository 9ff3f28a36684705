import type { Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { expectCommitted, row, tombstone } from "../rows.ts";

/** Of 1, 2, 3 and 4 bytes each: 10 in UTF-8, 5 code units. */
const tenBytes = "aé\u20ac\u{1f600}";

/** What a tenant has on the medium. */
export const usageCases = [
  storeCase(
    "usage.bytes",
    "`usage` counts the bytes of UTF-8 in the bodies of rows, entries, snapshots and claims.",
    async ({ store, tenant }) => {
      await expectCommitted(store, row(tenant, "r", { body: tenBytes }));
      await expectUsage(store, tenant, 1, 10);
      await expectCommitted(store, row(tenant, "r", { revision: 2, body: tenBytes }), { entry: { body: tenBytes } });
      await expectUsage(store, tenant, 1, 20);
      const entry = { body: "", checkpointId: "c", keyframe: 3, snapshot: tenBytes };
      await expectCommitted(store, row(tenant, "r", { revision: 3, body: tenBytes }), { entry });
      await expectUsage(store, tenant, 1, 30);
      const claims = [
        { kind: "k", key: "lasting", body: tenBytes },
        { kind: "k", key: "lapsing", lapsesAt: 2_000, body: tenBytes },
      ];
      await expectCommitted(store, row(tenant, "r", { revision: 4, body: tenBytes }), { claims });
      await expectUsage(store, tenant, 1, 50);
      await expectCommitted(store, row(tenant, "s", { revision: 9, body: "" }), {
        over: 0,
        earlier: [{ revision: 4, body: tenBytes, checkpointId: "c", keyframe: 4, snapshot: tenBytes }],
        entry: { body: tenBytes },
      });
      await expectUsage(store, tenant, 2, 80);
    },
  ),

  storeCase(
    "usage.replaced",
    "What a row or a claim held before is not counted in `usage` any more.",
    async ({ store, tenant }) => {
      const claim = { kind: "k", key: "a", body: "x".repeat(100) };
      await expectCommitted(store, row(tenant, "r", { body: "x".repeat(100) }), { claims: [claim] });
      await expectUsage(store, tenant, 1, 200);
      await expectCommitted(store, row(tenant, "r", { revision: 2, body: "xx" }), {
        claims: [{ ...claim, body: "x" }],
      });
      await expectUsage(store, tenant, 1, 3);
    },
  ),

  storeCase("usage.long-snapshots", "`usage` counts long snapshots whole.", async ({ store, tenant }) => {
    const snapshot = tenBytes.repeat(500_000);
    await expectCommitted(store, row(tenant, "r", { body: "" }), {
      entry: { body: "", checkpointId: "c", keyframe: 1, snapshot },
    });
    await expectUsage(store, tenant, 1, 5_000_000);
  }),

  storeCase(
    "usage.erased",
    "After an erasure `usage` counts the bytes of the tombstone, and the run no more.",
    async ({ store, tenant }) => {
      await expectCommitted(store, row(tenant, "kept", { body: "kept" }));
      await expectCommitted(store, row(tenant, "r", { body: "x".repeat(100) }), {
        entry: { body: "x".repeat(100), checkpointId: "c", keyframe: 1, snapshot: "s".repeat(3_000_000) },
        claims: [
          { kind: "k", key: "lasting", body: "x".repeat(100) },
          { kind: "k", key: "lapsing", lapsesAt: 9_000, body: "x".repeat(100) },
        ],
      });
      await expectUsage(store, tenant, 2, 3_000_404);
      await expectCommitted(store, tombstone(tenant, "r", 2, { body: "gone" }), { erase: true });
      await expectUsage(store, tenant, 1, 8);
    },
  ),
];

async function expectUsage(store: Store, tenant: string, runs: number, bytes: number): Promise<void> {
  expectEqual(await store.usage(tenant), { runs, bytes }, "usage");
}
