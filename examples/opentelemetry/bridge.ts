import {
  type Context,
  context,
  type Meter,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import {
  type Attributes,
  defineTelemetry,
  instruments,
  type SpanParent,
  type Telemetry,
} from "../../src/telemetry/index.ts";

const kinds = { internal: SpanKind.INTERNAL, client: SpanKind.CLIENT, server: SpanKind.SERVER };

/** Passes spans and measurements to OpenTelemetry. */
export function openTelemetry(tracer: Tracer, meter: Meter, dbSystem: string): Telemetry {
  const records = new Map<string, (value: number, attributes: Attributes) => void>();
  for (const [name, { kind, unit, description }] of Object.entries(instruments)) {
    const counter = kind === "counter" && meter.createCounter(name, { unit, description });
    const histogram = kind === "histogram" && meter.createHistogram(name, { unit, description });
    if (counter) records.set(name, (value, attributes) => counter.add(value, attributes));
    if (histogram) records.set(name, (value, attributes) => histogram.record(value, attributes));
  }
  return defineTelemetry<Span>({
    dbSystem,
    startSpan: ({ name, kind, attributes, parent }) =>
      tracer.startSpan(name, { kind: kinds[kind], attributes }, contextOf(parent)),
    endSpan(span, { attributes, error }) {
      span.setAttributes(attributes);
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
      span.end();
    },
    within(span, work) {
      void context.with(trace.setSpan(context.active(), span), work);
    },
    record: (instrument, value, attributes) => records.get(instrument)?.(value, attributes),
  });
}

function contextOf(parent: SpanParent<Span> | undefined): Context {
  const active = context.active();
  if (parent === undefined) return active;
  if ("span" in parent) return trace.setSpan(active, parent.span);
  return trace.setSpanContext(active, { ...parent.remote, isRemote: true });
}
