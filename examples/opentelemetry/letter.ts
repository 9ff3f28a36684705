import { context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, defineCapability, defineGraphSkill } from "../../src/index.ts";
import { createApp } from "../../worker/http/index.ts";
import { openTelemetry } from "./bridge.ts";

// A real program would export to a collector, by OTLP.
const spans = new InMemorySpanExporter();
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const tracers = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] });
const meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter: metrics })] });
// With it, the spans of a handler are children of its attempt, and the store calls of a request are children of the request.
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

const tracer = tracers.getTracer("letters");
const telemetry = openTelemetry(tracers.getTracer("orca-durable"), meters.getMeter("orca-durable"), "memory");

let failures = 1;
const draft = defineCapability({ id: "letter.draft", version: "1" }, ({ to }: { to: string }) => `Dear ${to}, …`);
const send = defineCapability({ id: "letter.send", version: "1", retries: { limit: 1, delay: 10 } }, () =>
  tracer.startActiveSpan("smtp", async (span) => {
    span.end();
    if (failures-- > 0) throw new Error("the server is busy");
    return "sent";
  }),
);
const letter = defineGraphSkill({
  id: "letter",
  version: "1",
  steps: [
    { id: "draft", uses: "letter.draft", input: { to: "inputs.to" }, output: "vars.text" },
    { id: "send", uses: "letter.send", input: { text: "vars.text" }, output: "outputs.receipt" },
  ],
});

// Nothing of this program is ever due, so it needs no drains, which are spans too.
const shared = { store: memoryStore(), skills: [letter], capabilities: [draft, send] };
const runtime = createRuntime({ ...shared, serves: false, telemetry });
const app = createApp({
  authenticate: () => ({ tenant: "acme", role: "admin" }),
  runs: (tenant) => runtime.for(tenant),
  telemetry,
});

await app.request("/v1/skills/letter/execute/async", {
  method: "POST",
  headers: { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" },
  body: JSON.stringify({ inputs: { to: "Alice" } }),
});
await runtime.idle();
await meters.forceFlush();

console.log("Spans:");
const finished = spans
  .getFinishedSpans()
  .toSorted((a, b) => a.startTime[0] - b.startTime[0] || a.startTime[1] - b.startTime[1]);
const ids = new Set(finished.map((span) => span.spanContext().spanId));
for (const span of finished) if (!ids.has(span.parentSpanContext?.spanId ?? "")) print(span, 1);

console.log("Metrics:");
for (const { descriptor, dataPoints } of metrics
  .getMetrics()
  .flatMap(({ scopeMetrics }) => scopeMetrics)
  .flatMap(({ metrics }) => metrics)) {
  for (const { value, attributes } of dataPoints) {
    const count = typeof value === "number" ? value : "count" in value ? value.count : 0;
    console.log(`  ${descriptor.name} {${descriptor.unit}} ${count} ${JSON.stringify(attributes)}`);
  }
}
await meters.shutdown();

function print(span: ReadableSpan, depth: number): void {
  const { traceId, spanId } = span.spanContext();
  console.log(`${"  ".repeat(depth)}${span.name} [${traceId.slice(0, 8)}] ${span.status.message ?? ""}`.trimEnd());
  for (const child of finished) if (child.parentSpanContext?.spanId === spanId) print(child, depth + 1);
}
