/** A handler was called, or has ended. */
export interface Call {
  readonly stepId: string;
  readonly moment: "begins" | "ends";
}

// The handlers write these notes themselves, outside the database, so that what the runtime says of a run can be compared.

export function noteCall(runId: string, stepId: string, moment: Call["moment"]): void {
  append(`calls:${runId}`, { stepId, moment });
}

export function calls(runId: string): readonly Call[] {
  return list(`calls:${runId}`) as readonly Call[];
}

/** The page was loaded while the run was not over. */
export function notePageLoad(runId: string): void {
  append(`loads:${runId}`, new Date().toISOString());
}

/** When that was, ISO-8601. */
export function pageLoads(runId: string): readonly string[] {
  return list(`loads:${runId}`) as readonly string[];
}

function append(key: string, item: unknown): void {
  localStorage.setItem(key, JSON.stringify([...list(key), item]));
}

function list(key: string): readonly unknown[] {
  return JSON.parse(localStorage.getItem(key) ?? "[]") as readonly unknown[];
}
