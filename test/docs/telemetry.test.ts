import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import {
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_SYSTEM_NAME,
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_URL_SCHEME,
  METRIC_DB_CLIENT_OPERATION_DURATION,
  METRIC_HTTP_SERVER_REQUEST_DURATION,
} from "@opentelemetry/semantic-conventions";
import { expect, test } from "vitest";
import { instruments } from "../../src/telemetry/index.ts";

const page = readFileSync("docs/observability.md", "utf8");
const sources = [
  "src/telemetry/telemetry.ts",
  "src/telemetry/observation.ts",
  "src/engine/pass.ts",
  "worker/http/middleware/telemetry.ts",
].map((path) => readFileSync(path, "utf8"));

/** The names of attributes in a text, each once: what has dots and is quoted by `quote`. */
function attributesIn(text: string, quote: string): readonly string[] {
  const names = text.matchAll(new RegExp(`${quote}((?:orca|db|http|url|error)\\.[a-z_.]+)${quote}`, "g"));
  return [...new Set([...names].map(([, name = ""]) => name))].filter((name) => !(name in instruments)).sort();
}

test("the table of measurements is the table of instruments", () => {
  const rows = [...page.matchAll(/^\| `([\w.]+)` \| (counter|histogram) \| `([^`]+)` \|/gm)];
  const documented = Object.fromEntries(rows.map(([, name, kind, unit]) => [name, { kind, unit }]));
  expect(documented).toEqual(
    Object.fromEntries(Object.entries(instruments).map(([name, { kind, unit }]) => [name, { kind, unit }])),
  );
});

test("every attribute of the code is in the docs, and the other way round", () => {
  const attributes = attributesIn(sources.join(), '"');
  expect(attributes.length).toBeGreaterThan(15);
  expect(attributesIn(page, "`")).toEqual(attributes);
});

test("names that are not ours are those of the semantic conventions", () => {
  const conventions: readonly string[] = [
    ...[ATTR_DB_OPERATION_NAME, ATTR_DB_SYSTEM_NAME, ATTR_ERROR_TYPE, ATTR_HTTP_REQUEST_METHOD, ATTR_HTTP_ROUTE],
    ...[ATTR_HTTP_RESPONSE_STATUS_CODE, ATTR_URL_SCHEME],
    ...[METRIC_DB_CLIENT_OPERATION_DURATION, METRIC_HTTP_SERVER_REQUEST_DURATION],
  ];
  const used = [...Object.keys(instruments), ...attributesIn(sources.join(), '"')];
  expect(used.filter((name) => !name.startsWith("orca.")).sort()).toEqual([...conventions].sort());
});

test("the example exports spans below each other, and measurements, through OpenTelemetry", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["examples/opentelemetry/letter.ts"]);
  const [spans = "", metrics = ""] = stdout.split("Metrics:\n");
  const lines = spans.split("\n").slice(1, -1);
  // All of it is in the trace of the caller.
  expect(lines.filter((line) => !line.includes("[4bf92f35]"))).toEqual([]);
  expect(lines.map((line) => line.replace(/ \[.*/, ""))).toEqual(
    expect.arrayContaining([
      "  POST /v1/skills/:skill_id/execute/async",
      "    commit",
      "  pass letter",
      "    attempt letter.draft",
      "    attempt letter.send",
      "      smtp",
    ]),
  );
  expect(spans).toContain("attempt letter.send [4bf92f35] the server is busy\n      smtp [4bf92f35]\n");
  expect(metrics).toContain(
    'orca.events {{event}} 1 {"orca.skill.id":"letter","orca.event.type":"step.retry_scheduled"}',
  );
  expect(metrics).toContain('http.server.request.duration {s} 1 {"http.request.method":"POST"');
  expect(metrics).toMatch(/db\.client\.operation\.duration \{s\} [1-9]\d* \{"db\.system\.name":"memory"/);
});
