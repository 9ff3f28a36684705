/** Where the runs of this example are stored; the page and its service worker share it. */
export const home = { database: "orca-durable-offline", tenant: "visitor" } as const;
