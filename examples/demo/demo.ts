import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { applyMigrations, type LocalWorker, startWorker } from "../../scripts/local-worker.ts";
import { type Client, clientOf, type WireRun } from "./client.ts";
import { type Call, openOutside } from "./outside.ts";

const steps = ["read", "clean", "statistics", "phrases", "score", "compose", "publish"] as const;
const picture = "read → clean → (statistics ∥ phrases) → score → compose → publish";
const skillId = "text.digest";
const leaseMs = 2_000;
const apiKey = "demo-key";

let zero = Date.now();

/** A line of the timeline. */
function tell(text: string): void {
  console.log(`${((Date.now() - zero) / 1000).toFixed(1).padStart(5)} s  ${text}`);
}

const claims: [claim: string, holds: boolean][] = [];

/** Something that must hold at this moment; if it does not, the demo fails at its end. */
function claim(text: string, holds: boolean): void {
  claims.push([text, holds]);
}

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(50)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(`waited for 20 seconds: ${what}`);
}

const library = await readFile(new URL("../texts/alice.txt", import.meta.url), "utf8");
const begun = new Map<string, number>();
const outside = await openOutside(library, (event) => {
  if (event === "refused") return tell("    read: the library answers 503, as it does once to each run");
  const key = `${event.runId} ${event.stepId}`;
  if (event.moment === "begins") return begun.set(key, event.at);
  tell(`    ${event.stepId}: done in ${((event.at - (begun.get(key) ?? event.at)) / 1000).toFixed(1)} s`);
});
const persistTo = await mkdtemp(join(tmpdir(), "orca-durable-demo-"));
const place = { persistTo, cwd: import.meta.dirname };

function serve(): Promise<LocalWorker> {
  return startWorker({ ...place, vars: { API_KEY: apiKey, LEASE_MS: String(leaseMs), OUTSIDE_URL: outside.url } });
}

function callsOf(runId: string, stepId?: string): readonly Call[] {
  return outside.calls.filter((call) => call.runId === runId && (stepId === undefined || call.stepId === stepId));
}

/** How often each handler was called for a run. */
function countsOf(runId: string): readonly number[] {
  return steps.map((stepId) => callsOf(runId, stepId).filter(({ moment }) => moment === "begins").length);
}

async function settledSteps(client: Client, runId: string): Promise<readonly string[]> {
  const checkpoints = await client.checkpoints(runId);
  return checkpoints.flatMap(({ kind, step_id }) => (kind === "step_completed" && step_id !== null ? [step_id] : []));
}

async function withStatus(client: Client, runId: string, status: string): Promise<WireRun> {
  return until(`run ${runId} is ${status}`, async () => {
    const run = await client.run(runId);
    if (run.status === "failed") throw new Error(`run ${runId} failed: ${JSON.stringify(run)}`);
    return run.status === status ? run : undefined;
  });
}

async function checkpointAfter(client: Client, runId: string, stepId: string): Promise<string> {
  const checkpoints = await client.checkpoints(runId);
  const found = checkpoints.find(({ kind, step_id }) => kind === "step_completed" && step_id === stepId);
  if (found === undefined) throw new Error(`run ${runId} has no checkpoint after ${stepId}`);
  return found.checkpoint_id;
}

/** Everything that the Worker returns about a run. */
async function portrait(client: Client, runId: string): Promise<string> {
  return JSON.stringify([await client.run(runId), await client.checkpoints(runId), await client.events(runId)]);
}

/** Posts, and requires the status. */
async function post<Body>(client: Client, path: string, status: number, body: unknown = {}): Promise<Body> {
  const answer = await client.call<Body>("POST", path, body);
  if (answer.status !== status)
    throw new Error(`POST ${path} answers ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** The first run up to the middle of its step `score`, where the server is killed. */
async function runAndKill(worker: LocalWorker) {
  const client = clientOf(worker.url, apiKey);
  const start = { inputs: { address: "/alice.txt" } };
  const { run_id: runId } = await post<WireRun>(client, `/v1/skills/${skillId}/execute/async`, 202, start);
  tell(`started over HTTP: ${runId}`);
  await until("score has begun", () => callsOf(runId, "score")[0]);
  await sleep(1_000);
  const { status, body } = await client.call<unknown>("POST", `/v1/runs/${runId}/resume`, {});
  tell(`resume: ${status}, since it is being executed`);
  claim(
    "a run that is being executed cannot be resumed beside that",
    status === 409 && /conflict/.test(JSON.stringify(body)),
  );
  const settled = await settledSteps(client, runId);
  const isInTheMiddle = callsOf(runId, "score").length === 1 && !settled.includes("score");
  const killedAt = Date.now();
  tell(`SIGKILL to the whole server, in the middle of score; checkpoints after ${settled.join(", ")}`);
  await worker.kill("SIGKILL");
  claim(
    "the kill came in the middle of a step: score had begun, and never ended",
    isInTheMiddle && callsOf(runId, "score").length === 1,
  );
  return { runId, settled, killedAt };
}

/** Resumes the run once the lease of the executor that was killed has lapsed. */
async function resume(client: Client, runId: string, killedAt: number): Promise<void> {
  for (;;) {
    const { status, retryAfterMs, body } = await client.call<ResumeAnswer>("POST", `/v1/runs/${runId}/resume`, {});
    if (status === 200) {
      const from = (await client.checkpoints(runId)).find((each) => each.checkpoint_id === body.resume.checkpoint_id);
      const after = `${((Date.now() - killedAt) / 1000).toFixed(1)} s after the kill`;
      return tell(
        `resumed from the checkpoint after ${from?.step_id}, ${after}: the lease of ${leaseMs / 1000} s is over`,
      );
    }
    if (status !== 409) throw new Error(`resume answers ${status}: ${JSON.stringify(body)}`);
    tell(`resume: 409, the dead executor's lease still runs; again in ${retryAfterMs / 1000} s`);
    await sleep(retryAfterMs);
  }
}

interface ResumeAnswer {
  readonly resume: { readonly checkpoint_id: string };
}

/** Prints how often each handler was called in each run, and checks the numbers. */
function tabulate(rows: readonly [name: string, runId: string, expected: readonly number[]][]): void {
  console.log("\nHow often each handler was called, as counted by a server that was not killed:");
  console.log(["".padEnd(18), ...steps].join("  "));
  for (const [name, runId, expected] of rows) {
    const counts = countsOf(runId);
    const cells = counts.map((count, index) => String(count).padStart(steps[index]?.length ?? 0));
    console.log([name.padEnd(18), ...cells].join("  "));
    claim(`${name}: each handler was called as often as it must be`, String(counts) === String(expected));
  }
  console.log("read twice: the 503 and its retry. score twice: cut off, and again. 0: in the checkpoint already,");
  console.log("or, for publish in the replay, on record as an effect that must not happen twice.");
}

let worker: LocalWorker | undefined;
try {
  console.log(`The skill ${skillId} on a local Worker over D1: ${picture}`);
  await applyMigrations(place);
  worker = await serve();
  zero = Date.now();
  tell(`the server is up on ${worker.url}`);

  const { runId, settled, killedAt } = await runAndKill(worker);
  worker = await serve();
  tell("the server is up again, over the same database");
  const client = clientOf(worker.url, apiKey);
  claim(
    "every checkpoint that was there before the kill is there after it",
    String(await settledSteps(client, runId)) === String(settled),
  );
  await resume(client, runId, killedAt);

  await withStatus(client, runId, "waiting_for_human");
  claim("nothing is published before the approval", outside.reports.size === 0);
  tell("waits for a person, who approves");
  await post(client, `/v1/runs/${runId}/approve`, 200, { approver: "demo" });
  const finished = await withStatus(client, runId, "completed");
  tell(`completed: ${finished.result?.report.length} characters published`);
  const source = await portrait(client, runId);

  const early = await checkpointAfter(client, runId, "clean");
  const { run: replay } = await post<{ run: WireRun }>(client, `/v1/runs/${runId}/replay`, 200, {
    checkpoint_id: early,
  });
  tell(`replay from the checkpoint after clean, as a new run: ${replay.run_id}`);
  const replayed = await withStatus(client, replay.run_id, "completed");
  tell("completed, without asking: the approval came along");

  const late = await checkpointAfter(client, runId, "score");
  const { run: fork } = await post<{ run: WireRun }>(client, `/v1/runs/${runId}/fork`, 200, { checkpoint_id: late });
  tell(`fork at the checkpoint after score, as a new run: ${fork.run_id}`);
  await sleep(500);
  claim(
    "a fork executes nothing until it is resumed",
    (await client.run(fork.run_id)).status === "pending" && callsOf(fork.run_id).length === 0,
  );
  await post(client, `/v1/runs/${fork.run_id}/resume`, 200);
  tell("the fork is resumed");
  const forked = await withStatus(client, fork.run_id, "completed");
  tell("completed");

  tabulate([
    ["the run", runId, [2, 1, 1, 1, 2, 1, 1]],
    ["replay after clean", replay.run_id, [0, 0, 1, 1, 1, 1, 0]],
    ["fork after score", fork.run_id, [0, 0, 0, 0, 0, 1, 1]],
  ]);
  console.log(`\n${finished.result?.report.split("\n\n").slice(0, 4).join("\n")}`);

  const completed = (await client.events(runId)).filter(({ event_type }) => event_type === "step.completed");
  claim(
    "in the run's history each step is completed once",
    String(completed.map(({ payload }) => payload.step_id)) === String(await settledSteps(client, runId)) &&
      completed.length === steps.length,
  );
  const [a, b] = ["statistics", "phrases"].map((stepId) => callsOf(runId, stepId).map(({ at }) => at));
  claim(
    "statistics and phrases ran side by side",
    Math.max(a?.[0] ?? 0, b?.[0] ?? 0) < Math.min(a?.[1] ?? 0, b?.[1] ?? 0),
  );
  claim(
    "replay and fork name the run they come from",
    [replayed, forked].every(({ metadata }) => metadata.source_run_id === runId),
  );
  claim(
    "all three end with the same report",
    [replayed, forked].every(({ result }) => result?.report === finished.result?.report),
  );
  claim("replay and fork left the run as it was", (await portrait(client, runId)) === source);
  claim("the replay publishes nothing, and the fork under a key of its own", outside.reports.size === 2);
} finally {
  await worker?.stop();
  outside.close();
  await rm(persistTo, { recursive: true, force: true });
  // A killed wrangler does not clean up.
  await rm(join(import.meta.dirname, ".wrangler"), { recursive: true, force: true });
}

console.log("");
for (const [text, holds] of claims) console.log(`${holds ? "holds" : "FAILS"}  ${text}`);
const failed = claims.filter(([, holds]) => !holds).length;
console.log(failed === 0 ? `All ${claims.length} hold.` : `${failed} of ${claims.length} fail.`);
process.exitCode = failed === 0 ? 0 : 1;
