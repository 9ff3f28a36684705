/** What was said so far: the question, and then turn by turn what the model and its tasks said. */
export interface Message {
  readonly from: "person" | "model" | "task";
  readonly text: string;
}

/** Stands for a slow model: for equal messages it always says the same. */
export function replyTo(messages: readonly Message[]): string {
  const [first, ...later] = messages;
  const question = first?.text ?? "";
  const found = later.filter(({ from }) => from === "task");
  if (question.startsWith("for: ") || question.startsWith("against: ")) {
    const [side = "", about = ""] = question.split(": ");
    return counted(12, (n) => `Point ${n} ${side} “${about}” is worth ${n * 7} words.`);
  }
  if (found.length === 0) {
    return `${counted(6, (n) => `Thought ${n} about “${question}”.`)}\nTASK for: ${question}\nTASK against: ${question}`;
  }
  return `I have read ${found.map(({ text }) => `${text.length} letters`).join(" and ")}. ${counted(4, (n) => `Conclusion ${n}: it depends.`)}`;
}

/** The tasks that the model asks for in a reply. */
export function tasksIn(reply: string): readonly string[] {
  return [...reply.matchAll(/^TASK (.+)$/gm)].map(([, task = ""]) => task);
}

/** The reply in tokens, after what was said of it already: many models continue a text that was begun. */
export async function* tokens(
  messages: readonly Message[],
  begun: string,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  for (const token of replyTo(messages)
    .slice(begun.length)
    .match(/\s*\S+/g) ?? []) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    signal.throwIfAborted();
    yield token;
  }
}

function counted(count: number, sentence: (n: number) => string): string {
  return Array.from({ length: count }, (_, index) => sentence(index + 1)).join(" ");
}
