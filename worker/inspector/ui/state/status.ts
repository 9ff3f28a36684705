import type { Status } from "./wire.ts";

/** The displayed name of each status. */
export const statusNames: Readonly<Record<Status, string>> = {
  pending: "Pending",
  running: "Running",
  waiting_for_human: "Needs approval",
  waiting_for_signal: "Waits for signal",
  replaying: "Replaying",
  completed: "Completed",
  failed: "Failed",
  canceled: "Canceled",
};

export const statuses = Object.keys(statusNames) as readonly Status[];

export function isStatus(text: string | null): text is Status {
  return text !== null && Object.hasOwn(statusNames, text);
}
