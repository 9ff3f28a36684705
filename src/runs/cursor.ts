import { invalidRequest } from "../errors.ts";
import { isId } from "../ids.ts";
import type { RunPosition } from "../store.ts";

/** The place of a run in a list, as text. Callers hand it back as it is. */
export function cursorOf({ createdAt, runId }: RunPosition): string {
  return btoa(`${createdAt}:${runId}`).replace(/=+$/, "");
}

/**
 * The place of a cursor.
 *
 * @throws `invalid_request` if it is not a cursor of a page.
 */
export function parseCursor(cursor: string, path: string): RunPosition {
  const [, createdAt = "", runId] = /^(\d{1,15}):(.+)$/.exec(textOf(cursor)) ?? [];
  if (isId(runId)) return { createdAt: Number(createdAt), runId };
  throw invalidRequest(path, "expected the `next` of an earlier page");
}

function textOf(cursor: string): string {
  try {
    // In a query that was not encoded, a plus sign is a space.
    return atob(cursor.replaceAll(" ", "+"));
  } catch {
    return "";
  }
}
