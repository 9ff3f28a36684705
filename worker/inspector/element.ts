import { render } from "lit/html.js";
import { App } from "./ui/state/app.ts";
import { shell } from "./ui/views/shell.ts";
import { panel } from "./ui/views/styles/panel.ts";
import { run } from "./ui/views/styles/run.ts";
import { runs } from "./ui/views/styles/runs.ts";
import { tokens } from "./ui/views/styles/tokens.ts";

// Without a document, as where a server draws pages, the class can be imported, and is no element.
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/**
 * `<orca-inspector>`: the runs of a service, what happened to each, and what may be done with them.
 *
 * It is a client of the HTTP API and of nothing else. Attributes:
 * - `base`: what stands before `/v1` in the service's addresses, such as `https://runs.example.com` or `/orca`. Default: the
 *   page's own origin.
 * - `api-key`: the key to send. Without one, a person is asked for it where the service wants one, and it is kept for the tab.
 * - `routing`: `hash`, the default, shows in the fragment of the page's address what is open; `none` leaves the address alone.
 *
 * It is as large as its place in the page lets it be, and at least 380 pixels high.
 */
export class OrcaInspector extends Base {
  static readonly observedAttributes: readonly string[] = ["base", "api-key", "routing"];
  #app: App | undefined;

  connectedCallback(): void {
    this.#start();
  }

  disconnectedCallback(): void {
    this.#app?.stop();
    this.#app = undefined;
  }

  attributeChangedCallback(_name: string, before: string | null, after: string | null): void {
    if (this.#app === undefined || before === after) return;
    this.#app.stop();
    this.#start();
  }

  #start(): void {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [stylesheet()];
    this.#app = new App(root, {
      base: this.getAttribute("base") ?? "",
      apiKey: this.getAttribute("api-key") ?? undefined,
      isRouted: this.getAttribute("routing") !== "none",
      draw: (app) => render(shell(app), root),
    });
    this.#app.start();
  }
}

let sheet: CSSStyleSheet | undefined;

// Made by the script, so that a page's Content-Security-Policy need not allow styles for it.
function stylesheet(): CSSStyleSheet {
  if (sheet === undefined) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync([tokens, runs, run, panel].join("\n"));
  }
  return sheet;
}

// A page may load the script twice, from two places.
if (globalThis.customElements?.get("orca-inspector") === undefined) {
  globalThis.customElements?.define("orca-inspector", OrcaInspector);
}
