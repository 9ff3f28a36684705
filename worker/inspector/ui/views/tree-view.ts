import { ref } from "lit/directives/ref.js";
import { html, nothing, type TemplateResult } from "lit/html.js";
import { isLong, type JsonTree, type TreeRow } from "../state/json-tree.ts";
import { hasMembers, kindOf, previewOf } from "../state/json-value.ts";
import { icon } from "./icon.ts";
import { rowsInView } from "./rows-in-view.ts";

/** A JSON tree that draws only the rows in view. */
export function treeView(tree: JsonTree, label: string): TemplateResult {
  const { list, rows } = tree;
  const shown = list.rows(rows.length);
  const { active } = list;
  return html`<div class="tree" role="tree" aria-label=${label} tabindex="0" data-scroll
      aria-activedescendant=${shown.some(({ index }) => index === active) ? `node-${active}` : nothing} ${ref(list.attach)}>
      ${rowsInView(
        list,
        rows,
        ({ path }) => path,
        (row, index, start) => treeNode(tree, row, index, start),
      )}
      ${rows.length === 0 ? html`<div class="empty small">Every field is empty.</div>` : nothing}
    </div>`;
}

function treeNode(tree: JsonTree, row: TreeRow, index: number, start: number): TemplateResult {
  const { name, depth, value } = row;
  const isBranch = hasMembers(value);
  const isOpen = tree.isOpen(row);
  const isActive = index === tree.list.active;
  const showWhole = (event: Event) => {
    event.stopPropagation();
    tree.showWhole(row);
  };
  return html`<div class="node" role="treeitem" id="node-${index}" aria-level=${depth + 1} aria-expanded=${isBranch ? isOpen : nothing} data-row
      aria-selected=${isActive} ?data-changed=${tree.hasChanged(row)} ?data-active=${isActive}
      .style=${`transform:translateY(${start}px);padding-left:${8 + depth * 15}px`} @click=${() => tree.click(index)}>
      <i class="twist" ?data-open=${isOpen} ?data-none=${!isBranch}></i><span class="key">${name}</span>
      <span class="value" data-kind=${kindOf(value)}>${previewOf(value, isOpen)}</span>
      ${isLong(row) || isBranch ? html`<button class="ghosted whole" tabindex="-1" aria-label="Show all of ${name}" title="Show the whole value" @click=${showWhole}>${icon("expand")}</button>` : nothing}
    </div>`;
}
