import { Hono } from "hono";

/** What a request costs that does nothing. */
export default new Hono().get("/", (c) => c.json({ status: "ok" }));
