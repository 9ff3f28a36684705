import type { CloudflareWorkersModule } from "@cloudflare/workers-types";

// In a Cloudflare project these types come from "cloudflare:workers".
type WorkflowEvent<T> = CloudflareWorkersModule.WorkflowEvent<T>;
type WorkflowStep = CloudflareWorkersModule.WorkflowStep;

export interface Trip {
  readonly city: string;
  /** True to wait for the customer, so that the trip can be canceled and undone meanwhile. */
  readonly waits?: boolean;
}

/** What the rollbacks of this process have undone, in order. It stands for the services that they would call. */
export const undone: string[] = [];

/** The cities to which postcards were sent. They stay. */
export const postcards: string[] = [];

/** The `run` of a Workflow whose steps have rollbacks. It does not depend on where it is executed. */
export async function bookTrip(event: Readonly<WorkflowEvent<Trip>>, step: WorkflowStep) {
  const { city, waits = false } = event.payload;
  const options = { retries: { limit: 1, delay: "1 second", backoff: "constant" } } as const;
  const rollbackConfig = options;

  await step.do("flight", async () => `flight to ${city}`, {
    rollback: async ({ ctx, output, error }) => {
      undone.push(`${ctx.step.name} ${ctx.step.count}, attempt ${ctx.attempt}: ${output}, since ${error.message}`);
    },
  });
  let refusals = 0;
  await step.do("hotel", options, async () => `hotel in ${city}`, {
    rollback: async ({ output }) => {
      if (refusals++ === 0) throw new Error("the hotel did not answer");
      undone.push(`hotel: ${output}`);
    },
    rollbackConfig,
  });
  await step.do("no rollback", async () => postcards.push(city));
  if (waits) await step.waitForEvent("confirmed", { type: "confirmed" });
  await step.do(
    "car",
    { retries: { limit: 0, delay: 0 } },
    async (): Promise<string> => {
      throw new Error("no car is left");
    },
    { rollback: async ({ output }) => void undone.push(`car: ${output}`) },
  );
}
