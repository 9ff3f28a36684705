// Runs in a process of its own, under a TMPDIR of its own: see chromium.ts.
import chromium from "@sparticuz/chromium";

await chromium.executablePath();
