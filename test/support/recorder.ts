import type { Attributes, Failure, SpanStart, TelemetryHooks } from "../../src/telemetry/index.ts";

/** A span as the hooks received it. */
export interface RecordedSpan {
  readonly start: SpanStart<RecordedSpan>;
  /** How often it was ended, which should be once. */
  ends: number;
  attributes: Attributes;
  error: Failure | undefined;
}

export interface Recorder extends TelemetryHooks<RecordedSpan> {
  readonly spans: RecordedSpan[];
  readonly measurements: { readonly instrument: string; readonly value: number; readonly attributes: Attributes }[];
  /** The sum of what was added to a counter, or the number of values of a histogram, under these attributes. */
  count(instrument: string, attributes?: Attributes): number;
  /** The spans whose name begins so. */
  named(name: string): readonly RecordedSpan[];
}

/** Hooks that remember their arguments. */
export function recorder(): Recorder {
  const spans: RecordedSpan[] = [];
  const measurements: Recorder["measurements"] = [];
  return {
    spans,
    measurements,
    dbSystem: "test",
    startSpan(start) {
      const span: RecordedSpan = { start, ends: 0, attributes: start.attributes, error: undefined };
      spans.push(span);
      return span;
    },
    endSpan(span, { attributes, error }) {
      span.ends++;
      span.attributes = { ...span.attributes, ...attributes };
      span.error = error;
    },
    record(instrument, value, attributes) {
      measurements.push({ instrument, value, attributes });
    },
    count: (instrument, attributes = {}) =>
      measurements
        .filter(
          (it) => it.instrument === instrument && Object.entries(attributes).every(([k, v]) => it.attributes[k] === v),
        )
        .reduce((sum, { value }) => sum + (instrument.endsWith(".duration") ? 1 : value), 0),
    named: (name) => spans.filter(({ start }) => start.name.startsWith(name)),
  };
}
