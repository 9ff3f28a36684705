import { afterAll, beforeAll } from "vitest";
import { testInspector } from "./support/inspector/suite.ts";
import { type WorkerHome, workerHome } from "./support/inspector/worker-home.ts";

// The inspector that the Worker serves, in Chromium, against that Worker on workerd with D1.

let home: WorkerHome;

beforeAll(async () => {
  home = await workerHome();
}, 60_000);

afterAll(() => home?.close());

testInspector(() => home);
