import { WorkflowEntrypoint } from "cloudflare:workers";
import type { CloudflareWorkersModule, Workflow } from "@cloudflare/workers-types";
import { type Order, run } from "./order.ts";

interface Env {
  readonly ORDERS: Workflow<Order>;
}

/** The same function on Cloudflare Workflows. */
export class OrderWorkflow extends WorkflowEntrypoint<Env, Order> {
  override run(
    event: Readonly<CloudflareWorkersModule.WorkflowEvent<Order>>,
    step: CloudflareWorkersModule.WorkflowStep,
  ) {
    return run(event, step);
  }
}

export default {
  /** `POST /` starts an order, `POST /<id>` reports its payment, `GET /<id>` returns its status. */
  async fetch(request: Request, { ORDERS }: Env): Promise<Response> {
    const id = new URL(request.url).pathname.slice(1);
    if (id === "") return Response.json({ id: (await ORDERS.create({ params: await request.json() })).id });
    const instance = await ORDERS.get(id);
    if (request.method === "POST") await instance.sendEvent({ type: "paid", payload: await request.json() });
    return Response.json(await instance.status());
  },
};
