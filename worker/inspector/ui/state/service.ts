import { type Calls, calls } from "../../../client/calls.ts";
import { requests } from "../../../client/requests.ts";

/** The client of the inspected service. */
export type Service = Calls;

/** The service at `base`, called with a key. The browser cache is not used, so that every answer is current. */
export function serviceAt(base: string, apiKey: string | undefined): Service {
  const uncached = (request: Request) => fetch(request, { cache: "no-store" });
  return calls(base, requests({ ...(apiKey === undefined ? {} : { apiKey }), fetch: uncached }));
}
