import { logStore } from "../../examples/adapter-author/store.ts";

// A process that writes one run in turns with others until it is killed, and prints each revision that was acknowledged to it.

/** Now and then so long that a process is killed while it writes one. */
export function snapshotOf(body: string, revision: number): string {
  return body.padEnd(revision % 10 === 0 ? 100_000 : 10, "s");
}

const [folder, name] = process.argv.slice(2);
if (folder !== undefined) {
  const store = logStore(folder);
  for (;;) {
    const revision = ((await store.getRun("t", "r"))?.revision ?? 0) + 1;
    const body = `${name} at ${revision}`;
    const { kind } = await store.commit({
      run: { tenant: "t", runId: "r", revision, createdAt: 1, status: "running", body },
      entry: { body, checkpointId: `c${revision}`, keyframe: revision, snapshot: snapshotOf(body, revision) },
      claims: [{ kind: "k", key: `${revision}`, body }],
      now: 1,
    });
    if (kind === "committed") process.stdout.write(`${revision}\n`);
  }
}
