/** One server-sent event. */
export interface Message {
  readonly event: string;
  readonly id?: string;
  readonly data: string;
}

/**
 * The complete messages of a stream, as they arrive. A message that is cut off is dropped. `onRetry` is called with the delay
 * in milliseconds that the server requests before a reconnect.
 * Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export async function* messagesOf(
  body: ReadableStream<Uint8Array>,
  onRetry: (ms: number) => void,
): AsyncGenerator<Message, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let pending = "";
  let [event, data, id]: [string, string[], string | undefined] = ["", [], undefined];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (pending + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?!$)/);
      pending = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) yield { event, data: data.join("\n"), ...(id === undefined ? {} : { id }) };
          [event, data, id] = ["", [], undefined];
          continue;
        }
        const colon = line.indexOf(":");
        const name = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "event") event = text;
        else if (name === "data") data.push(text);
        else if (name === "id") id = text;
        else if (name === "retry" && /^\d{1,9}$/.test(text)) onRetry(Number(text));
      }
    }
  } finally {
    // When the reader stops, the connection ends too.
    reader.cancel().catch(() => {});
  }
}
