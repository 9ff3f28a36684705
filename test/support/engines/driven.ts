import { beforeEach } from "vitest";
import { cdp, server } from "vitest/browser";

/** True if a driver speaks the protocol of the browser's developer tools. */
const isDriven = server.provider === "playwright";

/** The tests of the group need that protocol, for this: in the other browsers they are skipped, and say why. */
export function needsDriver(because: string): void {
  beforeEach((context) => context.skip(!isDriven, because));
}

/** How much this site may store; without a number as much as ever. Nothing where {@link needsDriver} skips. */
export async function overrideQuota(quotaSize?: number): Promise<void> {
  if (!isDriven) return;
  const size = quotaSize === undefined ? {} : { quotaSize };
  await cdp().send("Storage.overrideQuotaForOrigin", { origin: location.origin, ...size });
}
