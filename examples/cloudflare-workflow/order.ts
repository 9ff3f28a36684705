import type { CloudflareWorkersModule } from "@cloudflare/workers-types";

// In a Cloudflare project these types come from "cloudflare:workers".
type WorkflowEvent<T> = CloudflareWorkersModule.WorkflowEvent<T>;
type WorkflowStep = CloudflareWorkersModule.WorkflowStep;

export interface Order {
  readonly item: string;
  readonly cents: number;
}

export interface Payment {
  readonly reference: string;
}

/** The `run` of a Cloudflare Workflow. It does not depend on where it is executed. */
export async function run(event: Readonly<WorkflowEvent<Order>>, step: WorkflowStep) {
  const { item, cents } = event.payload;

  const [reservation, invoice] = await Promise.all([
    step.do("reserve", async () => ({ item, shelf: item.length })),
    step.do("invoice", async () => ({ cents, currency: "EUR" })),
  ]);

  const payment = await step.waitForEvent<Payment>("payment", { type: "paid", timeout: "2 days" });

  await step.sleep("time to change one's mind", "1 second");

  const retries = { limit: 3, delay: "1 second", backoff: "constant" } as const;
  const parcel = await step.do("ship", { retries, timeout: "1 minute" }, async ({ attempt }) => {
    if (attempt === 1) throw new Error("the carrier did not answer");
    return { shelf: reservation.shelf, attempts: attempt };
  });

  return { item, paid: `${invoice.cents} ${invoice.currency}`, reference: payment.payload.reference, parcel };
}
