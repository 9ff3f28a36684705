import type { Media } from "./media.ts";
import type { Table } from "./table.ts";

/** `short` builds every table with tiny sizes, to check that it works. Its numbers mean nothing. */
export type Scale = "full" | "short";

/** One table of the bench. */
export interface Bench {
  readonly id: string;
  readonly title: string;
  measure(media: Media, scale: Scale): Promise<Pick<Table, "columns" | "rows" | "notes">>;
}
