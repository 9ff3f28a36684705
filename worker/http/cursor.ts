import { invalidRequest } from "../../src/errors.ts";
import { isId } from "../../src/ids.ts";
import type { RunPosition } from "../../src/index.ts";

/** The cursor of the page that begins after this place. Callers hand it back as it is. */
export function cursorOf({ createdAt, runId }: RunPosition): string {
  return btoa(`${createdAt}:${runId}`).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * The place of a cursor; none of the empty one, with which the first page is asked for.
 *
 * @throws `invalid_request` where it is none of ours, or an offset is asked for beside it.
 */
export function parseCursor(cursor: string, offset: number): RunPosition | undefined {
  if (offset > 0) throw invalidRequest("offset", "pages by cursor have none");
  if (cursor === "") return undefined;
  const [, createdAt = "", runId] = /^(\d{1,15}):(.+)$/.exec(textOf(cursor)) ?? [];
  if (!isId(runId)) throw invalidRequest("cursor", "this is no cursor of ours");
  return { createdAt: Number(createdAt), runId };
}

function textOf(cursor: string): string {
  try {
    return atob(cursor.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return "";
  }
}
