import { render } from "lit/html.js";
import { App } from "./ui/state/app.ts";
import { shell } from "./ui/views/shell.ts";
import { panel } from "./ui/views/styles/panel.ts";
import { run } from "./ui/views/styles/run.ts";
import { runs } from "./ui/views/styles/runs.ts";
import { tokens } from "./ui/views/styles/tokens.ts";

// Without a document, for example on a server, the class can be imported but is not an element.
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/**
 * `<orca-inspector>`: the runs of a service, their history, and the actions on them.
 *
 * It uses the HTTP API only. Attributes:
 * - `base`: the part of the service's URLs before `/v1`, such as `https://runs.example.com` or `/orca`. Default: the origin of
 *   the page.
 * - `api-key`: the key to send. Without it, the inspector asks for one if the service requires it, and keeps it for the tab.
 * - `routing`: `hash`, the default, keeps what is open in the fragment of the page's URL; `none` leaves the URL unchanged.
 *
 * It fills its place in the page, and is at least 380 pixels high.
 *
 * @example
 * ```ts
 * import { OrcaInspector } from "orca-durable/inspector";
 *
 * const inspector = new OrcaInspector();
 * inspector.setAttribute("base", "https://runs.example.com");
 * document.body.append(inspector);
 * ```
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

// The script creates the style sheet, so that the Content-Security-Policy of a page need not allow inline styles.
function stylesheet(): CSSStyleSheet {
  if (sheet === undefined) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync([tokens, runs, run, panel].join("\n"));
  }
  return sheet;
}

// A page may load the script twice, from two URLs.
if (globalThis.customElements?.get("orca-inspector") === undefined) {
  globalThis.customElements?.define("orca-inspector", OrcaInspector);
}
