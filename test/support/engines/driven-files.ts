/** The tests of pages that run in Chromium alone, and what of its driver they need. */
export const drivenFiles: Readonly<Record<string, string>> = {
  "test/system/page.test.ts": "opens sandboxed frames, and installs service workers one after the other",
  "test/system/presence.test.ts": "crashes and freezes pages",
  "test/system/service-worker.test.ts": "stops the service worker, freezes pages and takes the network away",
  "test/system/example-browser.test.ts": "reloads a page and opens another",
  "test/system/example-offline.test.ts": "stops the service worker and takes the network away",
  "test/system/example-service-worker.test.ts": "takes the network away",
  "test/system/example-model.test.ts": "reloads a page while its step writes",
  "test/system/example-uploads.test.ts": "takes the network away",
  "test/system/example-workflow.test.ts": "reloads a page while its run waits",
  "test/system/inspector-looks.test.ts": "clicks, and measures what is drawn",
  "test/system/inspector-rows.test.ts": "scrolls, and measures what is drawn",
  "test/system/inspector-service-worker.test.ts": "clicks and types",
  "test/system/inspector-worker.test.ts": "clicks and types",
};
