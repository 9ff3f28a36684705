import { env } from "cloudflare:workers";
import { d1Harness } from "./support/d1-harness.ts";
import { testTelemetry } from "./support/telemetry-suite.ts";

testTelemetry(async () => {
  const medium = await d1Harness(env.DB).fresh();
  return medium.open();
});
