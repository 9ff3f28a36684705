// Runs in a process of its own, which a test kills: see test/system/engines.test.ts.
import type { Engine } from "./find.ts";
import { launchBrowser } from "./launch.ts";

const [engine, profile = "", url = ""] = process.argv.slice(2);
const browser = await launchBrowser(engine as Engine, { profile, url });
await browser.ended;
