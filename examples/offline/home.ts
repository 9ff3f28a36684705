/** Where the runs of this example live: the page and its service worker share it. */
export const home = { database: "orca-durable-offline", tenant: "visitor" } as const;
