import { isDurableError } from "../src/index.ts";
import { createClient } from "../worker/client/index.ts";

const { ORCA_URL = "http://127.0.0.1:8787", ORCA_KEY = "dev-key" } = process.env; // as `npm run dev` serves it
const client = createClient(ORCA_URL, { apiKey: ORCA_KEY });

// With an idempotency key a start is safe to send twice: the second call is answered with the run of the first.
const text = "Alice fell down a well. The well was deep. Down, down, down.";
const idempotencyKey = crypto.randomUUID();
const { run_id } = await client.start("text.simple-summarize", { text, max_length: 30 }, { idempotencyKey });

// Each event arrives once and in order until the run has ended, over as many connections as that takes.
for await (const { event_type } of client.watch(run_id)) console.log(event_type);
const { status, result, checkpoint_head: head } = await client.get(run_id);
console.log(status, result);

// What changed at the end.
if (head !== null) console.log((await client.compare(run_id, head)).changes);

// A fork from the beginning, with another input. It is resumed only if it has not changed since it was read.
const [first] = (await client.checkpoints(run_id, { limit: 1 })).checkpoints;
const { run: fork } = await client.fork(run_id, {
  checkpoint_id: first?.checkpoint_id,
  edit: { inputs: { max_length: 60 } },
});
const ifMatch = client.etag(await client.get(fork.run_id));
await client.resume(fork.run_id, {}, { ifMatch });
try {
  await client.cancel(fork.run_id, { ifMatch });
} catch (error) {
  if (!isDurableError(error, "precondition_failed")) throw error;
  console.log(error.message); // the run has changed since `ifMatch` was read: here by the resume
}
for await (const _ of client.watch(fork.run_id));
console.log("The fork:", (await client.get(fork.run_id)).result);

// Everything that is stored of a run, for `client.import` into this service or another.
const lines = await new Response(await client.export(run_id)).text();
console.log(`${lines.length} characters`);
