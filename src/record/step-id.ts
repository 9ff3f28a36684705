/** `name` for the first step of that name, `name#2` for the second. Names that look like the latter are escaped. */
export function stepId(name: string, count: number): string {
  return count > 1 || /#\d+$/.test(name) ? `${name}#${count}` : name;
}

/** The name and the count of a {@link stepId}. */
export function partsOfStepId(id: string): readonly [name: string, count: number] {
  const [, name = id, count = "1"] = /^(.*)#(\d+)$/s.exec(id) ?? [];
  return [name, Number(count)];
}
