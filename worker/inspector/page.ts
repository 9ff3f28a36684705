import { script } from "./bundle.generated.ts";
import type { InspectorPage } from "./routes.ts";

export type { InspectorPage } from "./routes.ts";

// The URLs in the page are relative, so that it works wherever the service is mounted.
const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Inspector</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="inspector/page.css">
<script type="module" src="inspector/element.js"></script>
</head>
<body>
<orca-inspector base="."></orca-inspector>
<noscript>The inspector needs JavaScript.</noscript>
</body>
</html>
`;

// The background is set before the script loads, so that a dark page does not flash.
const style = `:root { color-scheme: light dark; background: light-dark(#f6f7f9, #090b0f) }
html, body { height: 100%; margin: 0 }
orca-inspector { height: 100dvh }
`;

/** The inspector page, for `createApp({ inspector: inspectorPage })`. */
export const inspectorPage: InspectorPage = { html, script, style };
