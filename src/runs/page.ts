import { aNumber } from "../json.ts";

/** A part of a list, in the order of the list. */
export interface Page<Item, Place = string> {
  readonly items: readonly Item[];
  /** The `after` of the next page; absent on the last. */
  readonly next?: Place;
}

/** Rows of a list from a place on. */
export interface RowPage<Row> {
  readonly rows: readonly Row[];
  /** True if more rows follow. */
  readonly isMore: boolean;
}

/** The `limit` of a page whose items are counted before they are read. */
export const aPageSize = /* @__PURE__ */ aNumber(
  "a whole number from 1 to 500",
  (value) => Number.isInteger(value) && value >= 1 && value <= 500,
);

// A row may take 256 KiB: a page of 500 such rows would be an answer of 128 MB, which is all that an isolate has.
const pageLength = 4 * 1024 * 1024;
/** The number of rows that are read before their length is known: a page of 100 is one query. */
const firstRead = 101;
const mostRead = 500;

/**
 * A page of at most `limit` rows. It ends before the row with which its bodies would be longer than `mostLength` characters
 * together, 4 Mi by default, but has at least one row if there is any. Rows are read in parts, so that not many more are held than are
 * on the page.
 */
export async function readPage<Row extends { readonly body: string }>(
  limit: number,
  read: (after: Row | undefined, limit: number) => Promise<readonly Row[]>,
  mostLength = pageLength,
): Promise<RowPage<Row>> {
  const rows: Row[] = [];
  let length = 0;
  for (let size = firstRead; ; ) {
    // One more than fits, to find out whether more rows follow.
    const wanted = Math.min(size, limit - rows.length + 1);
    const part = await read(rows.at(-1), wanted);
    for (const row of part) {
      length += row.body.length;
      if (rows.length === limit || (rows.length > 0 && length > mostLength)) return { rows, isMore: true };
      rows.push(row);
    }
    if (part.length < wanted) return { rows, isMore: false };
    const fitting = Math.floor((mostLength - length) / (length / rows.length)) + 1;
    size = Math.min(Math.max(fitting, 1), mostRead);
  }
}
