import type { HttpHome } from "../../support/http-home.ts";
import { testAccess } from "./access.ts";
import { testApprovals } from "./approvals.ts";
import { testBodies } from "./bodies.ts";
import { testCheckpoints } from "./checkpoints.ts";
import { testClient } from "./client.ts";
import { testConditions } from "./conditions.ts";
import { testDescription } from "./description.ts";
import { testFamilies } from "./families.ts";
import { testOutputs } from "./outputs.ts";
import { testRaces } from "./races.ts";
import { testRefusals } from "./refusals.ts";
import { testRoutes } from "./routes.ts";
import { testSchedules } from "./schedules.ts";
import { testStreams } from "./streams.ts";
import { testTransfers } from "./transfers.ts";
import { testWaiting } from "./waiting.ts";

/** Everything that the app promises over HTTP, wherever it is served. */
export function testHttp(home: HttpHome): void {
  testRoutes(home);
  testRefusals(home);
  testBodies(home);
  testAccess(home);
  testCheckpoints(home);
  testRaces(home);
  testConditions(home);
  testStreams(home);
  testOutputs(home);
  testFamilies(home);
  testTransfers(home);
  testSchedules(home);
  testWaiting(home);
  testApprovals(home);
  testClient(home);
  testDescription(home);
}
