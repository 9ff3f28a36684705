import { afterAll, beforeAll } from "vitest";
import type { InspectorHome } from "./support/inspector/home.ts";
import { serviceWorkerHome } from "./support/inspector/service-worker-home.ts";
import { testInspector } from "./support/inspector/suite.ts";

// The same inspector, handed out by a service worker and asking nobody else: all of it is in the browser.

let home: InspectorHome;

beforeAll(async () => {
  home = await serviceWorkerHome();
}, 60_000);

afterAll(() => home?.close());

testInspector(() => home);
