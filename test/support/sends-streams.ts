/**
 * Whether a request can have a stream as its body. Where it cannot, Firefox sends the text `[object ReadableStream]`, and
 * WebKit refuses the request. Source: https://developer.chrome.com/docs/capabilities/web-apis/fetch-streaming-requests
 */
export const sendsStreams: boolean = (() => {
  try {
    const init = { method: "POST", body: new ReadableStream(), duplex: "half" };
    const { body, headers } = new Request("http://orca.test/", init);
    // Of a text that it sends instead, a browser tells the type; workerd never looks at `duplex`.
    return body instanceof ReadableStream && !headers.has("content-type");
  } catch {
    return false;
  }
})();
