import type { Browser, BrowserContext, Page } from "playwright";
import { expect } from "vitest";
import { newContext } from "../chromium.ts";

/** A service with an inspector, wherever it runs. */
export interface InspectorHome {
  /** A page with the inspector, signed in, at a place such as `/runs/abc`. */
  open(place?: string): Promise<Page>;
  /** Asks the service itself, past the inspector; answers the JSON. */
  ask<T = Run>(path: string, body?: unknown): Promise<T>;
  close(): Promise<void>;
}

export interface Run {
  readonly run_id: string;
  readonly status: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly approval_request: { readonly approver: string | null; readonly notes: string | null } | null;
  readonly result: unknown;
}

/** A context whose pages may do nothing that the policy of the inspector's page forbids, and send requests to their origin alone. */
export async function watchedContext(browser: Browser, origin: () => string): Promise<WatchedContext> {
  const context = await newContext(browser, { acceptDownloads: true, reducedMotion: "reduce" });
  const faults: string[] = [];
  context.on("page", (page) => {
    page.on("pageerror", (error) => faults.push(`${error.name}: ${error.message}`));
    page.on("console", (message) => {
      // A refusal by the service is the test's own doing, and the browser writes it down as well.
      const isRefusal = message.text().startsWith("Failed to load resource");
      if (message.type() === "error" && !isRefusal) faults.push(message.text());
    });
    page.on("request", (request) => {
      const url = request.url();
      if (!/^(data|blob):/.test(url) && new URL(url).origin !== origin()) faults.push(`a request to ${url}`);
    });
  });
  return {
    context,
    expectNoFaults: () => expect(faults).toEqual([]),
  };
}

export interface WatchedContext {
  readonly context: BrowserContext;
  /** Errors, breaches of the policy, and requests to elsewhere. */
  expectNoFaults(): void;
}

/** Waits until the run is as the condition wants it. */
export async function until(home: InspectorHome, runId: string, condition: (run: Run) => boolean): Promise<Run> {
  const patience = Date.now() + 100_000;
  for (;;) {
    const run = await home.ask(`/v1/runs/${runId}`);
    if (condition(run)) return run;
    if (Date.now() > patience) throw new Error(`run ${runId} is ${run.status} still`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

let count = 0;

/** An id that no other test has. */
export function freshId(name: string): string {
  return `${name}-${++count}`;
}

export async function startRun(
  home: InspectorHome,
  skillId: string,
  inputs: Readonly<Record<string, unknown>> = {},
  runId = freshId(skillId.split(".")[0] ?? "run"),
): Promise<string> {
  const body = {
    skill_id: skillId,
    run_id: runId,
    inputs: { week: 47, title: "Week 47", to: "desk@example.com", ...inputs },
  };
  await home.ask("/v1/runs", body);
  return runId;
}

/** A run that waits until it is paid. */
export async function waitingOrder(home: InspectorHome): Promise<string> {
  const runId = await startRun(home, "order.ship");
  await until(home, runId, ({ status }) => status === "waiting_for_signal");
  return runId;
}

/** Sends the signal that an order waits for. */
export function pay(home: InspectorHome, runId: string): Promise<Run> {
  return home.ask(`/v1/runs/${runId}/signal`, { name: "paid", payload: { amount: 30 } });
}

/** A run of every kind of step, which a person has let go to its end. */
export async function finishedReport(home: InspectorHome, runId?: string, paceMs = 60): Promise<string> {
  const id = await startRun(home, "report.weekly", { pace_ms: paceMs }, runId);
  await until(home, id, ({ status }) => status === "waiting_for_human");
  await home.ask(`/v1/runs/${id}/approve`, { approver: "Ada", notes: "Reads well." });
  await until(home, id, ({ status }) => status === "completed");
  return id;
}
