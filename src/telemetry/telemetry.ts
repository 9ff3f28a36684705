import { isDurableError } from "../errors.ts";
import { present } from "../json.ts";
import type { Store } from "../store.ts";

/**
 * Where measurements and spans go, in OpenTelemetry's terms and names, without a dependency on it. A few lines map them
 * to `@opentelemetry/api`; see `examples/opentelemetry`. `Span` is any value that the hooks use for a span.
 *
 * Hooks are called synchronously and should return quickly. If a hook throws or its promise rejects, `onError` of the
 * runtime or app is called, and the work continues.
 */
export interface TelemetryHooks<Span = unknown> {
  /** Begins a span, now. If it returns `undefined`, no other hook is called for this span. */
  startSpan(start: SpanStart<Span>): Span;
  /** Ends a span, now. Called once for each span that was begun. */
  endSpan(span: Span, end: SpanEnd): void;
  /** Calls `work` with the span as the active one, so that spans that a handler creates are below its attempt. */
  within?(span: Span, work: () => Promise<void>): void;
  /** Takes a measurement: an amount to add to a counter, or one value of a histogram. See {@link instruments}. */
  record(instrument: InstrumentName, value: number, attributes: Attributes): void;
  /** The medium of the store, as `db.system.name` has it. Default `other_sql`, the fallback of the conventions. */
  readonly dbSystem?: string;
}

/** The attributes of a measurement or span. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** How a span begins. */
export interface SpanStart<Span = unknown> {
  readonly name: string;
  readonly kind: "internal" | "client" | "server";
  readonly attributes: Attributes;
  /** Absent if the span belongs to the span that is active at the moment. */
  readonly parent?: SpanParent<Span>;
}

/** A span that was begun here, or the place of one in a trace that began elsewhere. */
export type SpanParent<Span = unknown> = { readonly span: Span } | { readonly remote: RemoteSpan };

/** A span's context as W3C Trace Context has it: lower-case hex. */
export interface RemoteSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
}

/** How a span ended. */
export interface SpanEnd {
  readonly attributes: Attributes;
  /** Present if the status of the span is an error. Its `type` is also the attribute `error.type`. */
  readonly error?: Failure;
}

/** The kind, unit and description of one measurement. */
export interface Instrument {
  readonly kind: "counter" | "histogram";
  /** In UCUM. */
  readonly unit: string;
  readonly description: string;
}

/**
 * What is measured, by name: the names of the stable semantic conventions if they have one, otherwise names below
 * `orca.`.
 */
export const instruments = {
  "db.client.operation.duration": seconds("Calls of the store."),
  "http.server.request.duration": seconds("HTTP requests, until their answer begins."),
  "orca.pass.duration": seconds("What one executor did with one run under one lease."),
  "orca.step.duration": seconds("Steps whose result was recorded."),
  "orca.attempt.duration": seconds("Calls of a capability's handler."),
  "orca.drain.duration": seconds("Drains."),
  "orca.drain.runs": count("{run}", "Due runs that a drain saw."),
  "orca.commits": count("{commit}", "Commits by their outcome."),
  "orca.events": count("{event}", "Events that were committed to the history of runs."),
  "orca.leases.lost": count("{lease}", "Passes that lost their run."),
} as const satisfies Readonly<Record<string, Instrument>>;

/** One of the names in `instruments`. */
export type InstrumentName = keyof typeof instruments;

/** Hooks whose failures disturb nothing, and the span under which they are called. */
export interface Observer {
  readonly dbSystem: string;
  /** Begins an operation that is measured by a span and a histogram of its duration. `attributes` are for both. */
  begin(instrument: InstrumentName, start: SpanStart & { readonly spanAttributes?: Attributes }): Observation;
  add(counter: InstrumentName, attributes: Attributes, amount?: number): void;
  record(instrument: InstrumentName, value: number, attributes: Attributes): void;
}

/** An operation under way that is measured. */
export interface Observation {
  /** For operations below it. */
  readonly observer: Observer;
  within<T>(work: () => Promise<T>): Promise<T>;
  end(attributes?: Attributes, failure?: Failure): void;
}

/** How an operation failed: a word from a small set, and a sentence. */
export interface Failure {
  readonly type: string;
  readonly message: string;
}

/** `parent` is the span of every operation that names no other. */
export function observerOf(hooks: TelemetryHooks, onError: (error: unknown) => void, parent?: SpanParent): Observer {
  const guarded = <T>(hook: () => T): T | undefined => {
    try {
      const returned = hook();
      if (returned instanceof Promise) returned.catch(onError);
      return returned;
    } catch (error) {
      onError(error);
      return undefined;
    }
  };
  const record = (instrument: InstrumentName, value: number, attributes: Attributes) => {
    guarded(() => hooks.record(instrument, value, attributes));
  };
  return {
    dbSystem: hooks.dbSystem ?? "other_sql",
    record,
    add: (counter, attributes, amount = 1) => record(counter, amount, attributes),
    begin(instrument, { spanAttributes, ...start }) {
      const startedAt = performance.now();
      const above = start.parent ?? parent;
      const span = guarded(() =>
        hooks.startSpan({
          ...start,
          attributes: { ...start.attributes, ...spanAttributes },
          ...present({ parent: above }),
        }),
      );
      return {
        observer: observerOf(hooks, onError, span === undefined ? above : { span }),
        within(work) {
          let done: ReturnType<typeof work> | undefined;
          const once = () => {
            done ??= work();
            return done;
          };
          // A failure of the work belongs to its caller, not to the hook.
          if (span !== undefined) guarded(() => hooks.within?.(span, () => once().then(nothing, nothing)));
          return once();
        },
        end(outcome, error) {
          const attributes = { ...outcome, ...(error === undefined ? {} : { "error.type": error.type }) };
          record(instrument, (performance.now() - startedAt) / 1000, { ...start.attributes, ...attributes });
          if (span !== undefined) guarded(() => hooks.endSpan(span, { attributes, ...present({ error }) }));
        },
      };
    },
  };
}

/** Measures work. `failureOf` recognizes a failure that is returned rather than thrown. */
export async function observe<T>(
  observation: Observation,
  work: () => Promise<T>,
  failureOf: (value: T) => Failure | undefined = () => undefined,
): Promise<T> {
  let failure: Failure | undefined;
  try {
    const value = await observation.within(work);
    failure = failureOf(value);
    return value;
  } catch (error) {
    failure = failureFrom(error);
    throw error;
  } finally {
    observation.end({}, failure);
  }
}

/** The store, with each of its calls measured. */
export function observedStore(store: Store, observer: Observer): Store {
  return new Proxy(store, {
    get(target, method: keyof Store) {
      const call = target[method] as (...args: unknown[]) => Promise<unknown>;
      return (...args: unknown[]) =>
        observe(
          observer.begin("db.client.operation.duration", {
            name: method,
            kind: "client",
            attributes: { "db.system.name": observer.dbSystem, "db.operation.name": method },
          }),
          () => call.apply(target, args),
        );
    },
  });
}

/**
 * The parent of a run's spans: its trace, if its trace id is a W3C Trace Context id, or one behind `trace_`, as the app
 * creates them. The span that began the trace is unknown, so all passes of a run, on any host, are below one span that
 * is derived from the id.
 */
export function runTrace(trace: string | undefined): SpanParent | undefined {
  const traceId = /^(?:trace_)?((?!0{32})[0-9a-f]{32})$/.exec(trace ?? "")?.[1];
  if (traceId === undefined) return undefined;
  const spanId = /[^0]/.test(traceId.slice(16)) ? traceId.slice(16) : traceId.slice(0, 16);
  return { remote: { traceId, spanId, traceFlags: 1 } };
}

/** A thrown value as a failure: by its code, else by its name, else as `_OTHER`. */
export function failureFrom(error: unknown): Failure {
  if (isDurableError(error)) return { type: error.code, message: error.message };
  return error instanceof Error ? { type: error.name, message: error.message } : { type: "_OTHER", message: "" };
}

function nothing(): void {}

function seconds(description: string): Instrument & { readonly kind: "histogram" } {
  return { kind: "histogram", unit: "s", description };
}

function count(unit: string, description: string): Instrument & { readonly kind: "counter" } {
  return { kind: "counter", unit, description };
}
