// What a runtime and an app measure, in the terms of OpenTelemetry.
export type { Telemetry } from "./instrumentation.ts";
export { defineTelemetry } from "./observation.ts";
export {
  type Attributes,
  type Failure,
  type Instrument,
  type InstrumentName,
  instruments,
  type RemoteSpan,
  type SpanEnd,
  type SpanParent,
  type SpanStart,
  type TelemetryHooks,
} from "./telemetry.ts";
