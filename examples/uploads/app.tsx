import { type ChangeEvent, StrictMode, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import type { CurrentRun } from "../../src/index.ts";
import { createPage } from "../../worker/browser/page.ts";
import { RunsProvider, useRuns, useRunsApi } from "../../worker/react/index.ts";
import { upload } from "./skill.ts";

const { runs } = createPage({ tenant: "me", skills: [upload], capabilities: [], database: "uploads" });

function Uploads() {
  const api = useRunsApi();
  const { runs, isLoading, isMore, error } = useRuns({ skillId: upload.id, limit: 50 });
  const add = async ({ target }: ChangeEvent<HTMLInputElement>) => {
    for (const file of target.files ?? []) {
      const { name, size } = file;
      await api?.start(upload, { name, bytes: new Uint8Array(await file.arrayBuffer()) }, { metadata: { name, size } });
    }
    target.value = "";
  };
  return (
    <section>
      <label className="add">
        Add files <input type="file" multiple onChange={add} />
      </label>
      {error !== undefined && <p role="alert">{String(error)}</p>}
      {isLoading ? (
        <p>Opening the database …</p>
      ) : (
        <ul>
          {runs.map((run) => (
            <Row key={run.runId} run={run} />
          ))}
        </ul>
      )}
      {isMore && <p>Older uploads are not shown.</p>}
    </section>
  );
}

function Row({ run: { runId, status, metadata, error } }: { readonly run: CurrentRun }) {
  const api = useRunsApi();
  const isOnline = useSyncExternalStore(onNetwork, () => navigator.onLine);
  const shown = status === "running" && !isOnline ? "waits for the network" : (labels[status] ?? status);
  return (
    <li data-name={metadata.name} data-status={status}>
      <b>{String(metadata.name)}</b> <span className="size">{String(metadata.size)} bytes</span>
      <span className="state">{error?.message ?? shown}</span>
      {status === "waiting_for_human" && (
        <span className="buttons">
          <button type="button" onClick={() => api?.approve(runId, { approver: "you" })}>
            Send
          </button>
          <button type="button" className="quiet" onClick={() => api?.deny(runId)}>
            Discard
          </button>
        </span>
      )}
      {status === "running" && (
        <button type="button" className="quiet" onClick={() => api?.cancel(runId)}>
          Cancel
        </button>
      )}
    </li>
  );
}

const labels: { readonly [status in CurrentRun["status"]]?: string } = {
  running: "is being sent",
  waiting_for_human: "your turn",
  completed: "sent",
  canceled: "discarded",
};

function onNetwork(changed: () => void): () => void {
  for (const event of ["online", "offline"]) addEventListener(event, changed);
  return () => {
    for (const event of ["online", "offline"]) removeEventListener(event, changed);
  };
}

const app = (
  <RunsProvider runs={runs}>
    <Uploads />
  </RunsProvider>
);
createRoot(document.querySelector("main") ?? document.body).render(<StrictMode>{app}</StrictMode>);
