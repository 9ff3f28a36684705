import type { LineageAnswer, LineageNode } from "./wire.ts";

/** A run in the tree of its ancestors and descendants. */
export interface Kin {
  readonly data: LineageNode;
  readonly source: Kin | undefined;
  /** 0 for the oldest ancestor. */
  readonly depth: number;
  /** A run without descendants has a row of its own, and any other is in the middle of its descendants. */
  readonly row: number;
}

/** The tree, with each run before its descendants. */
export function lineageTree({ run, ancestors, descendants }: LineageAnswer): readonly Kin[] {
  const children = new Map<string, LineageNode[]>();
  const line = [...ancestors].reverse();
  for (const [index, node] of line.entries()) children.set(node.run_id, [line[index + 1] ?? run]);
  for (const node of descendants) {
    const source = node.source_run_id ?? node.parent_run_id ?? run.run_id;
    children.set(source, [...(children.get(source) ?? []), node]);
  }
  const tree: Kin[] = [];
  let rows = 0;
  const place = (data: LineageNode, source: Kin | undefined): Kin => {
    const kin = { data, source, depth: source === undefined ? 0 : source.depth + 1, row: 0 };
    tree.push(kin);
    const below = (children.get(data.run_id) ?? []).map((child) => place(child, kin));
    const [first, last] = [below[0], below.at(-1)];
    kin.row = first && last ? (first.row + last.row) / 2 : rows++;
    return kin;
  };
  place(line[0] ?? run, undefined);
  return tree;
}
