import { server } from "vitest/browser";
import { indexedDbHarness } from "../indexeddb-harness.ts";

export const medium = `IndexedDB in ${server.browser}`;
export const harness = indexedDbHarness;
export const lanes = 8;
export const isThorough = false;
