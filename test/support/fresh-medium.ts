import type { StoreHarness } from "../../src/conformance/index.ts";
import type { Store } from "../../src/store.ts";

/** Plays over an empty medium, with as many handles as it opens. At the end all are closed, and the medium is removed. */
export async function onFreshMedium(
  harness: StoreHarness,
  play: (open: () => Promise<Store>) => Promise<void>,
): Promise<void> {
  const medium = await harness.fresh();
  const handles: Store[] = [];
  try {
    await play(async () => {
      const handle = await medium.open();
      handles.push(handle);
      return handle;
    });
  } finally {
    for (const handle of handles) await handle.close();
    await medium.remove?.();
  }
}
