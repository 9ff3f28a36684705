/** The tests of pages that run in Chromium alone, and what of its driver they need. */
export const drivenFiles: Readonly<Record<string, string>> = {
  "test/page.node.test.ts": "opens sandboxed frames, and installs service workers one after the other",
  "test/presence.node.test.ts": "crashes and freezes pages",
  "test/service-worker.node.test.ts": "stops the service worker, freezes pages and takes the network away",
  "test/example-browser.node.test.ts": "reloads a page and opens another",
  "test/example-offline.node.test.ts": "stops the service worker and takes the network away",
  "test/example-service-worker.node.test.ts": "takes the network away",
  "test/workflow.example.node.test.ts": "reloads a page while its run waits",
  "test/inspector.looks.node.test.ts": "clicks, and measures what is drawn",
  "test/inspector.rows.node.test.ts": "scrolls, and measures what is drawn",
  "test/inspector.service-worker.node.test.ts": "clicks and types",
  "test/inspector.worker.node.test.ts": "clicks and types",
};
