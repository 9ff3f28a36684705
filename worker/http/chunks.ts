/**
 * The body of an answer, produced chunk by chunk as it is read. If `chunks` fails, `report` is called with the error and the
 * answer breaks off. When the reader leaves, `leave` is called and `chunks` is ended.
 *
 * The work is done a microtask after the stream's own `cancel`, not in it: in WebKit a service worker that fires an event
 * there hangs, and with it every request of its site. Source: https://bugs.webkit.org/show_bug.cgi?id=305769
 */
export function chunkStream(
  chunks: AsyncGenerator<string, void, undefined>,
  report: (error: unknown) => void,
  leave: () => void = () => {},
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let isLeft = false;
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (isLeft) return;
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      } catch (error) {
        report(error);
        if (!isLeft) controller.error(error);
      }
    },
    cancel() {
      isLeft = true;
      queueMicrotask(() => {
        leave();
        chunks.return().catch(report);
      });
    },
  });
}
