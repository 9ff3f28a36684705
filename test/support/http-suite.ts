import { testAccess } from "./http-access.ts";
import { testBodies } from "./http-bodies.ts";
import { testCheckpoints } from "./http-checkpoints.ts";
import { testClient } from "./http-client.ts";
import { testConditions } from "./http-conditions.ts";
import { testDescription } from "./http-description.ts";
import { testFamilies } from "./http-families.ts";
import type { HttpHome } from "./http-home.ts";
import { testRaces } from "./http-races.ts";
import { testRefusals } from "./http-refusals.ts";
import { testRoutes } from "./http-routes.ts";
import { testStreams } from "./http-streams.ts";
import { testTransfers } from "./http-transfers.ts";

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
  testFamilies(home);
  testTransfers(home);
  testClient(home);
  testDescription(home);
}
