import { Hono } from "hono";

/** The cost of a request that does nothing. */
export default new Hono().get("/", (c) => c.json({ status: "ok" }));
