import type { Inspector } from "./inspector.ts";
import { hasMembers, isEmptyValue, membersOf } from "./json-value.ts";
import { RowList } from "./row-list.ts";
import type { Change, Json, JsonObject } from "./wire.ts";

const rowHeight = 25;
/** The approximate length of a text that fits beside its name. Longer texts can be expanded. */
const longText = 60;

export interface TreeRow {
  readonly path: string;
  readonly name: string;
  readonly depth: number;
  readonly value: Json;
}

/** A state as a tree whose branches open and close. Only the visible rows are drawn. */
export class JsonTree {
  readonly list: RowList;
  readonly #app: Inspector;
  #value: JsonObject = {};
  #changed: ReadonlySet<string> = new Set();
  #open = new Set(["/inputs", "/vars", "/outputs", "/output"]);
  #rows: readonly TreeRow[] | undefined;
  showsEmpty = false;

  constructor(app: Inspector) {
    this.#app = app;
    this.list = new RowList({ rowHeight, onChange: () => app.update(), onOpen: (index) => this.#toggle(index) });
  }

  show(value: JsonObject, changes: readonly Change[]): void {
    this.#value = value;
    this.#changed = new Set(changes.flatMap(({ path }) => prefixes(path)));
    this.#rows = undefined;
  }

  /** Opens the branches down to a path, and scrolls there after the next drawing. */
  reveal(segments: readonly string[]): void {
    const path = `/${segments.map(escaped).join("/")}`;
    for (const prefix of prefixes(path)) this.#open.add(prefix);
    this.#rows = undefined;
    const index = this.rows.findIndex((row) => row.path === path);
    if (index >= 0) this.list.activate(index);
  }

  toggleEmpty(): void {
    this.showsEmpty = !this.showsEmpty;
    this.#rows = undefined;
    this.#app.update();
  }

  isOpen({ path, value }: TreeRow): boolean {
    return hasMembers(value) && this.#open.has(path);
  }

  hasChanged({ path }: TreeRow): boolean {
    return this.#changed.has(path);
  }

  /** Shows the whole value in a dialog. */
  showWhole({ path, value }: TreeRow): void {
    this.#app.dialogs.show({ kind: "value", path, value });
  }

  /** Opens or closes the clicked row. */
  click(index: number): void {
    this.list.active = index;
    this.#toggle(index);
  }

  onKey(event: KeyboardEvent): boolean {
    const index = this.list.active;
    const row = this.rows[index];
    if (row !== undefined && event.key === "ArrowRight" && hasMembers(row.value)) {
      if (this.#open.has(row.path)) this.list.activate(index + 1);
      else this.#toggle(index);
      return true;
    }
    if (row !== undefined && event.key === "ArrowLeft") {
      if (this.#open.has(row.path) && hasMembers(row.value)) this.#toggle(index);
      else this.list.activate(this.rows.findIndex(({ path }) => path === parentOf(row.path)));
      return true;
    }
    const [target] = event.composedPath();
    return target instanceof HTMLElement && target.role === "tree" && this.list.onKey(event);
  }

  #toggle(index: number): void {
    const row = this.rows[index];
    if (row !== undefined && hasMembers(row.value)) {
      if (!this.#open.delete(row.path)) this.#open.add(row.path);
      this.#rows = undefined;
    } else if (row !== undefined && isLong(row)) {
      this.showWhole(row);
    }
    this.#app.update();
  }

  /** All rows of open branches, visible or not. */
  get rows(): readonly TreeRow[] {
    if (this.#rows !== undefined) return this.#rows;
    const rows: TreeRow[] = [];
    const append = (value: Json, path: string, depth: number) => {
      for (const [name, member] of membersOf(value)) {
        if (depth === 0 && !this.showsEmpty && isEmptyValue(member)) continue;
        const row = { path: `${path}/${escaped(name)}`, name, depth, value: member };
        rows.push(row);
        if (hasMembers(member) && this.#open.has(row.path)) append(member, row.path, depth + 1);
      }
    };
    append(this.#value, "", 0);
    this.#rows = rows;
    return rows;
  }
}

/** Whether the text of the row is cut. */
export function isLong({ value }: TreeRow): boolean {
  return typeof value === "string" && value.length > longText;
}

function prefixes(path: string): string[] {
  const segments = path.split("/").slice(1);
  return segments.map((_, index) => `/${segments.slice(0, index + 1).join("/")}`);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
