import { WorkflowEntrypoint } from "cloudflare:workers";
import type { CloudflareWorkersModule, Workflow } from "@cloudflare/workers-types";
import { type Order, run } from "./order.ts";
import { bookTrip, postcards, type Trip, undone } from "./trip.ts";

interface Env {
  readonly ORDERS: Workflow<Order>;
  readonly TRIPS: Workflow<Trip>;
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

/** A function whose steps have rollbacks. */
export class TripWorkflow extends WorkflowEntrypoint<Env, Trip> {
  override run(
    event: Readonly<CloudflareWorkersModule.WorkflowEvent<Trip>>,
    step: CloudflareWorkersModule.WorkflowStep,
  ) {
    return bookTrip(event, step);
  }
}

export default {
  /** `POST /` starts an order, `POST /<id>` reports its payment, `GET /<id>` returns its status; the same below `/trips/`, where `DELETE /trips/<id>` cancels and undoes. */
  async fetch(request: Request, { ORDERS, TRIPS }: Env): Promise<Response> {
    const id = new URL(request.url).pathname.slice(1);
    if (id === "trips/") return Response.json({ id: (await TRIPS.create({ params: await request.json() })).id });
    if (id.startsWith("trips/")) {
      const trip = await TRIPS.get(id.slice("trips/".length));
      if (request.method === "DELETE") await trip.terminate({ rollback: true });
      const { status, error } = await trip.status();
      return Response.json({ status, error: error?.message, undone, postcards });
    }
    if (id === "") return Response.json({ id: (await ORDERS.create({ params: await request.json() })).id });
    const instance = await ORDERS.get(id);
    if (request.method === "POST") await instance.sendEvent({ type: "paid", payload: await request.json() });
    return Response.json(await instance.status());
  },
};
