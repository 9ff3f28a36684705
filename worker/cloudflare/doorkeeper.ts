import type { D1Database } from "../../adapters/d1/index.ts";
import { aFunction, anObject, type Kinds } from "../../src/argument.ts";
import { DurableError, type OnError } from "../../src/index.ts";
import { aFlag } from "../../src/json.ts";
import type { Telemetry } from "../../src/telemetry/index.ts";
import { aTelemetry } from "../../src/telemetry/instrumentation.ts";
import {
  type Access,
  type AppOptions,
  accessLine,
  apiKeys,
  type Call,
  type Caller,
  type ScheduleApi,
} from "../http/index.ts";
import { logError } from "../http/middleware/failure.ts";
import { apiReference } from "../http/reference.ts";
import { inspectorPage } from "../inspector/page.ts";
import { d1Keys } from "./d1-keys.ts";
import type { RateLimit } from "./platform.ts";
import { addressKey, callerKey, countCall } from "./rate-limit.ts";

// What stands before the runs of a Worker, wherever they are: who calls, how often, from which pages.

/** The bindings of what stands before the runs. */
export interface DoorEnv {
  /** The database with the issued keys. */
  readonly DB?: D1Database;
  /**
   * The API key of the tenant "default", with the role admin. A secret. Without it and without an issued key, every call is
   * rejected.
   */
  readonly API_KEY?: string;
  /** The origins whose pages can call, separated by commas. Default: none. */
  readonly CORS_ORIGINS?: string;
  /** A rate limiting binding that counts calls by issued key, or by tenant if the key was not issued. Default: no limit. */
  readonly RATE_LIMIT?: RateLimit;
  /**
   * A rate limiting binding that counts calls by client address, before the key is checked, so that guessing keys is limited
   * too. Default: no limit.
   */
  readonly ADDRESS_RATE_LIMIT?: RateLimit;
  /** "1" logs one line of JSON for each request. */
  readonly ACCESS_LOG?: string;
}

/** The options of what stands before the runs. */
export interface DoorOptions<Bindings extends DoorEnv> {
  /**
   * Replaces API keys: returns the caller, for a service with its own login.
   *
   * @throws `unauthorized` or `forbidden` if the caller is not allowed to call.
   */
  authenticate?(call: Call<Bindings>): Caller | Promise<Caller>;
  /** Called after every request is answered. Default: logs it if `ACCESS_LOG` is "1". */
  readonly onAccess?: (access: Access, call: Call<Bindings>) => void;
  /**
   * Called with each failure that the caller did not cause, including failures of background work. If a request met it, the
   * context has the trace id of its answer. Default: `console.error`.
   */
  readonly onError?: OnError;
  /** Receives the measurements, under OpenTelemetry's names; made by `defineTelemetry`. Default: nothing is measured. */
  readonly telemetry?: Telemetry;
  /** The routes to schedules: `scheduleApi` of `orca-durable/schedules/http`. Default: they answer 404. */
  readonly schedules?: ScheduleApi;
  /** False to serve no inspector at `/inspector`. Default: true. */
  readonly inspector?: boolean;
}

export const doorKinds: Kinds<DoorOptions<DoorEnv>> = {
  authenticate: aFunction,
  onAccess: aFunction,
  onError: aFunction,
  telemetry: aTelemetry,
  inspector: aFlag,
  schedules: anObject,
};

/** Callers authenticate with the key of the deployment or with an issued key. */
const keyed: Pick<AppOptions<DoorEnv>, "authenticate" | "keys"> = {
  authenticate: ({ request, env: { API_KEY, DB } }) =>
    apiKeys(API_KEY ? [[API_KEY, "default"]] : [], DB && d1Keys(DB))(request),
  keys: ({ env: { DB } }) => DB && d1Keys(DB),
};

/** The options of an app that has these before its runs. */
export function doorOf<Bindings extends DoorEnv>(
  options: DoorOptions<Bindings>,
): Omit<AppOptions<Bindings>, "runs"> & { readonly onError: OnError } {
  const { onAccess = printAccess, onError = logError, authenticate, telemetry, schedules, inspector } = options;
  const callers: Pick<AppOptions<Bindings>, "authenticate" | "keys"> = authenticate === undefined
    ? keyed
    : { authenticate };
  return {
    ...callers,
    async authenticate(call) {
      const { request, env, traceId } = call;
      const key = addressKey(request);
      if (key !== undefined) await countCall(env.ADDRESS_RATE_LIMIT, key, (error) => onError(error, { traceId }));
      return callers.authenticate(call);
    },
    admit: (caller, { env, traceId }) =>
      countCall(env.RATE_LIMIT, callerKey(caller), (error) => onError(error, { traceId })),
    corsOrigins: ({ env }) => (env.CORS_ORIGINS ?? "").split(/[\s,]+/).filter((origin) => origin !== ""),
    onAccess,
    onError,
    telemetry,
    inspector: inspector === false ? undefined : inspectorPage,
    reference: apiReference,
    schedules,
  };
}

function printAccess(access: Access, { env }: Call<DoorEnv>): void {
  if (env.ACCESS_LOG === "1") console.log(accessLine(access));
}

/** The number that a binding has as text. */
export function positive(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new DurableError("internal_error", `${name}: expected a positive number, not "${text}"`);
}
