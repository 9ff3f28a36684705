import type * as cloudflare from "@cloudflare/workers-types";
import { expect, expectTypeOf, test } from "vitest";
import type { D1Database } from "../../adapters/d1/index.ts";
import { d1Store } from "../../adapters/d1/index.ts";
import { type D1Migration, d1Migrations } from "../../adapters/d1/migrations.ts";
import {
  createWorker,
  d1Keys,
  type Env,
  type ExecutionContext,
  type RateLimit,
} from "../../worker/cloudflare/index.ts";

// Checked by `npm run typecheck`.

test("Cloudflare's own types are what the package asks for, without a cast", () => {
  expectTypeOf<cloudflare.D1Database>().toExtend<D1Database>();
  expectTypeOf<cloudflare.D1DatabaseSession>().toExtend<D1Database>();
  expectTypeOf<cloudflare.ExecutionContext>().toExtend<ExecutionContext>();
  expectTypeOf<cloudflare.RateLimit>().toExtend<RateLimit>();
  expectTypeOf<{ readonly DB: cloudflare.D1Database; readonly RATE_LIMIT: cloudflare.RateLimit }>().toExtend<Env>();
  expectTypeOf(d1Store).toBeCallableWith({} as cloudflare.D1Database);
  expectTypeOf(d1Keys).toBeCallableWith({} as cloudflare.D1Database);
  const worker = createWorker({ skills: [], capabilities: [] });
  expectTypeOf(worker.fetch).toBeCallableWith(
    new Request("http://x/"),
    {} as { readonly DB: cloudflare.D1Database },
    {} as cloudflare.ExecutionContext,
  );
  expectTypeOf(worker.scheduled).toBeCallableWith(
    {} as cloudflare.ScheduledController,
    {} as { readonly DB: cloudflare.D1Database },
    {} as cloudflare.ExecutionContext,
  );
  // What Cloudflare's `applyD1Migrations(db, migrations)` takes.
  expectTypeOf([...d1Migrations]).toExtend<{ name: string; queries: string[] }[]>();
  expectTypeOf<D1Migration>().toEqualTypeOf<{ name: string; queries: string[] }>();
  expect(worker).toEqual({ fetch: expect.any(Function), scheduled: expect.any(Function), runs: expect.any(Function) });
});
