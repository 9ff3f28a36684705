// The nodes of a parsed file, as the scripts read them that look through declarations.

/** A node of a syntax tree, in the form of ESTree. */
export type Node = { readonly type: string } & Readonly<Record<string, unknown>>;

export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

/** The nodes of a list; none if it is no list. */
export function listOf(value: unknown): readonly Node[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** The text of a name or of a literal; empty for any other node. */
export function nameOf(node: unknown): string {
  return isNode(node) ? String(node.name ?? node.value ?? "") : "";
}

/** The first name of a qualified one: `a` of `a.b.c`. */
export function leftmost(node: unknown): string {
  if (isNode(node) && node.type === "TSQualifiedName") return leftmost(node.left);
  if (isNode(node) && node.type === "MemberExpression") return leftmost(node.object);
  return nameOf(node);
}
