import { type Calls, calls } from "../../../client/calls.ts";
import { requests } from "../../../client/requests.ts";

/** The client of the service that is looked at. */
export type Service = Calls;

/** The service at `base`, asked with a key. Its answers are about now, so that none is taken from the browser's cache. */
export function serviceAt(base: string, apiKey: string | undefined): Service {
  const uncached = (request: Request) => fetch(request, { cache: "no-store" });
  return calls(base, requests({ ...(apiKey === undefined ? {} : { apiKey }), fetch: uncached }));
}
