import { env } from "cloudflare:workers";
import { d1Harness } from "../d1-harness.ts";

export const medium = "D1";
export const harness = d1Harness(env.DB);
export const lanes = 8;
export const isThorough = false;
