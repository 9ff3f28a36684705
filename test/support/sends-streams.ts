/**
 * Whether a request can have a stream as its body. Where it cannot, Firefox sends the text `[object ReadableStream]`, and
 * WebKit refuses the request. Source: https://developer.chrome.com/docs/capabilities/web-apis/fetch-streaming-requests
 */
export const sendsStreams: boolean = (() => {
  let isAsked = false;
  try {
    const init = {
      method: "POST",
      body: new ReadableStream(),
      get duplex() {
        isAsked = true;
        return "half";
      },
    };
    return !new Request("http://orca.test/", init).headers.has("content-type") && isAsked;
  } catch {
    return false;
  }
})();
