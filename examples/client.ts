import { isDurableError } from "../src/index.ts";
import { createClient } from "../worker/client/index.ts";

const { ORCA_URL = "http://127.0.0.1:8787", ORCA_KEY = "dev-key" } = process.env; // as `npm run dev` serves it
const client = createClient(ORCA_URL, { apiKey: ORCA_KEY });

// With a key of its own a start is safe to send twice: the second is answered with the run of the first.
const text = "Alice fell down a well. The well was deep. Down, down, down.";
const inputs = { text, max_length: 30 };
const idempotencyKey = crypto.randomUUID();
const { run } = await client.start({ skillId: "text.simple-summarize", inputs, idempotencyKey });

// Each event once and in order until the run has ended, over as many connections as it takes.
for await (const { eventType } of client.watch(run.runId)) console.log(eventType);
const { status, result, checkpointHead: head } = await client.get(run.runId);
console.log(status, result);

// What changed at the end.
if (head !== undefined) console.log((await client.wire.compare(run.runId, head)).changes);

// A fork from the beginning, with another input. It is resumed only as it was when it was made.
const { items } = await client.listCheckpoints(run.runId, { limit: 1 });
const checkpointId = items[0]?.checkpointId ?? "";
const { run: fork } = await client.fork(run.runId, { checkpointId, edit: { inputs: { max_length: 60 } } });
const { revision: expectedRevision } = fork;
await client.resume(fork.runId, { expectedRevision });
try {
  await client.cancel(fork.runId, { expectedRevision });
} catch (error) {
  if (!isDurableError(error, "precondition_failed")) throw error;
  console.log(error.message); // the run moved on meanwhile; here it was the resume
}
console.log("The fork:", await client.result(fork.runId));

// Everything that is stored of a run, for `client.wire.import` into this service or another.
const lines = await new Response(await client.wire.export(run.runId)).text();
console.log(`${lines.length} characters`);
