/**
 * Whether a request can have a stream as its body. Browsers without `duplex` cannot: Firefox sends the text
 * `[object ReadableStream]`, and WebKit refuses the request as it is sent. Node and workerd can.
 * Source: https://developer.chrome.com/docs/capabilities/web-apis/fetch-streaming-requests
 */
export const sendsStreams: boolean = "duplex" in Request.prototype || !("indexedDB" in globalThis);
