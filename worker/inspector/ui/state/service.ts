import { bodyOf, type Calls, calls } from "../../../client/calls.ts";
import { type CallOptions, requests, type Send, said, segment } from "../../../client/requests.ts";
import type { ScheduleAnswer } from "./wire.ts";

/** The client of the inspected service. */
export type Service = Calls;

/** The service at `base`, called with a key. The browser cache is not used, so that every answer is current. */
export function serviceAt(base: string, apiKey: string | undefined): Service {
  return calls(base, uncached(apiKey));
}

/** The calls to the schedules of a service. A service without schedules answers `not_found`. */
export interface ScheduleCalls {
  get(scheduleId: string, call?: CallOptions): Promise<ScheduleAnswer>;
  /** Resolves with the schedule as it is then. */
  act(scheduleId: string, action: "pause" | "resume" | "trigger"): Promise<ScheduleAnswer>;
}

/** The schedules of the service at `base`. */
export function schedulesAt(base: string, apiKey: string | undefined): ScheduleCalls {
  return scheduleCalls(base, uncached(apiKey));
}

/** The calls to the schedules of the service at `base`, made by `send`. */
export function scheduleCalls(base: string, send: Send): ScheduleCalls {
  const at = (scheduleId: string) => `${base.replace(/\/+$/, "")}/v1/schedules/${segment(scheduleId)}`;
  // The service checks its answers against these types.
  const answered = async (response: Promise<Response>, signal?: AbortSignal) =>
    (await bodyOf(await response, signal)) as ScheduleAnswer | { readonly schedule: ScheduleAnswer };
  const scheduleIn = (answer: ScheduleAnswer | { readonly schedule: ScheduleAnswer }) =>
    "schedule" in answer ? answer.schedule : answer;
  return {
    get: async (scheduleId, call = {}) => scheduleIn(await answered(send(at(scheduleId), said(call)), call.signal)),
    act: async (scheduleId, action) =>
      scheduleIn(await answered(send(`${at(scheduleId)}/${action}`, { method: "POST" }))),
  };
}

function uncached(apiKey: string | undefined): Send {
  const send = (request: Request) => fetch(request, { cache: "no-store" });
  return requests({ ...(apiKey === undefined ? {} : { apiKey }), fetch: send });
}
