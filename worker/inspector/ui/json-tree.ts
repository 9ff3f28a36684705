import { ref } from "lit/directives/ref.js";
import { repeat } from "lit/directives/repeat.js";
import { html, nothing, type TemplateResult } from "lit/html.js";
import type { App } from "./app.ts";
import { icon } from "./icon.ts";
import { hasMembers, isEmptyValue, kindOf, membersOf, previewOf } from "./json-value.ts";
import { RowList } from "./row-list.ts";
import type { Change, Json, JsonObject } from "./wire.ts";

const rowHeight = 25;
/** As long a text as fits beside its name, more or less; what is longer can be opened. */
const longText = 60;

interface Row {
  readonly path: string;
  readonly name: string;
  readonly depth: number;
  readonly value: Json;
}

/** A state as a tree that opens and closes, of which only the rows in view are drawn. */
export class JsonTree {
  readonly #app: App;
  readonly #list: RowList;
  #value: JsonObject = {};
  #changed: ReadonlySet<string> = new Set();
  #open = new Set(["/inputs", "/vars", "/outputs", "/output"]);
  #rows: readonly Row[] | undefined;
  showsEmpty = false;

  constructor(app: App) {
    this.#app = app;
    this.#list = new RowList({ rowHeight, onChange: () => app.update(), onOpen: (index) => this.#toggle(index) });
  }

  show(value: JsonObject, changes: readonly Change[]): void {
    this.#value = value;
    this.#changed = new Set(changes.flatMap(({ path }) => prefixes(path)));
    this.#rows = undefined;
  }

  /** Opens the way to a place, and goes there once it is drawn. */
  reveal(segments: readonly string[]): void {
    const path = `/${segments.map(escaped).join("/")}`;
    for (const prefix of prefixes(path)) this.#open.add(prefix);
    this.#rows = undefined;
    const index = this.#visible().findIndex((row) => row.path === path);
    if (index >= 0) this.#list.activate(index);
  }

  toggleEmpty(): void {
    this.showsEmpty = !this.showsEmpty;
    this.#rows = undefined;
    this.#app.update();
  }

  render(label: string): TemplateResult {
    const rows = this.#visible();
    const shown = this.#list.rows(rows.length);
    const { active } = this.#list;
    return html`<div class="tree" role="tree" aria-label=${label} tabindex="0" data-scroll
      aria-activedescendant=${shown.some(({ index }) => index === active) ? `node-${active}` : nothing} ${ref(this.#list.attach)}>
      <div class="space" role="presentation" .style=${`height:${this.#list.height}px`}>
        ${repeat(
          shown,
          ({ index }) => rows[index]?.path ?? index,
          ({ index, start }) => {
            const row = rows[index];
            return row === undefined ? nothing : this.#node(row, index, start);
          },
        )}
      </div>
      ${rows.length === 0 ? html`<div class="empty small">Every field is empty.</div>` : nothing}
    </div>`;
  }

  onKey(event: KeyboardEvent): boolean {
    const index = this.#list.active;
    const row = this.#visible()[index];
    if (row !== undefined && event.key === "ArrowRight" && hasMembers(row.value)) {
      if (this.#open.has(row.path)) this.#list.activate(index + 1);
      else this.#toggle(index);
      return true;
    }
    if (row !== undefined && event.key === "ArrowLeft") {
      if (this.#open.has(row.path) && hasMembers(row.value)) this.#toggle(index);
      else this.#list.activate(this.#visible().findIndex(({ path }) => path === parentOf(row.path)));
      return true;
    }
    const [target] = event.composedPath();
    return target instanceof HTMLElement && target.role === "tree" && this.#list.onKey(event);
  }

  #node(row: Row, index: number, start: number): TemplateResult {
    const { path, name, depth, value } = row;
    const isBranch = hasMembers(value);
    const isOpen = isBranch && this.#open.has(path);
    const kind = kindOf(value);
    const isLong = typeof value === "string" && value.length > longText;
    return html`<div class="node" role="treeitem" id="node-${index}" aria-level=${depth + 1} aria-expanded=${isBranch ? isOpen : nothing} data-row
      aria-selected=${index === this.#list.active} ?data-changed=${this.#changed.has(path)} ?data-active=${index === this.#list.active}
      .style=${`transform:translateY(${start}px);padding-left:${8 + depth * 15}px`} @click=${() => this.#clicked(index)}>
      <i class="twist" ?data-open=${isOpen} ?data-none=${!isBranch}></i><span class="key">${name}</span>
      <span class="value" data-kind=${kind}>${previewOf(value, isOpen)}</span>
      ${isLong || isBranch ? html`<button class="ghosted whole" tabindex="-1" aria-label="Show ${name} whole" title="Show it whole" @click=${(event: Event) => this.#showWhole(event, row)}>${icon("expand")}</button>` : nothing}
    </div>`;
  }

  #showWhole(event: Event, { path, value }: Row): void {
    event.stopPropagation();
    this.#app.dialogs.openValue(path, value);
  }

  #clicked(index: number): void {
    this.#list.active = index;
    this.#toggle(index);
  }

  #toggle(index: number): void {
    const row = this.#visible()[index];
    if (row !== undefined && hasMembers(row.value)) {
      if (!this.#open.delete(row.path)) this.#open.add(row.path);
      this.#rows = undefined;
    } else if (row !== undefined && typeof row.value === "string" && row.value.length > longText) {
      this.#app.dialogs.openValue(row.path, row.value);
    }
    this.#app.update();
  }

  #visible(): readonly Row[] {
    if (this.#rows !== undefined) return this.#rows;
    const rows: Row[] = [];
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
