import { repeat } from "lit/directives/repeat.js";
import { html, nothing, type TemplateResult } from "lit/html.js";
import type { RowList } from "../state/row-list.ts";

/** The rows of a long list that are in view, in a space as high as the whole list. */
export function rowsInView<Item>(
  list: RowList,
  items: readonly Item[],
  keyOf: (item: Item) => unknown,
  draw: (item: Item, index: number, start: number) => TemplateResult,
): TemplateResult {
  return html`<div class="space" role="presentation" .style=${`height:${list.height}px`}>
    ${repeat(
      list.rows(items.length),
      ({ index }) => (items[index] === undefined ? index : keyOf(items[index])),
      ({ index, start }) => (items[index] === undefined ? nothing : draw(items[index], index, start)),
    )}
  </div>`;
}
