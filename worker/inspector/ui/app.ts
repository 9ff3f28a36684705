import { render } from "lit/html.js";
import { Api, ApiError } from "./api.ts";
import { Dialogs } from "./dialogs.ts";
import { hashOf, parseRoute, type Route } from "./route.ts";
import { RunPage } from "./run-page.ts";
import { RunsPage } from "./runs-page.ts";
import { shell } from "./shell.ts";
import type { Role, SkillListAnswer, SkillSummary, Whoami } from "./wire.ts";

export interface AppOptions {
  /** What stands before `/v1`. */
  readonly base: string;
  /** The key to send; without one the session's is taken, and where that is missing a person is asked. */
  readonly apiKey: string | undefined;
  /** Whether the address of the page says what is shown. */
  readonly isRouted: boolean;
}

/** Where the inspector stands with its service. */
type Connection =
  | { readonly kind: "connecting" }
  | { readonly kind: "keyless"; readonly refusal?: ApiError }
  | { readonly kind: "unreachable"; readonly error: ApiError }
  | { readonly kind: "ready"; readonly who: Whoami };

const reach: Readonly<Record<Role, number>> = { read: 0, execute: 1, admin: 2 };

/** The inspector of one service: what it knows, and the one place from which it is drawn. */
export class App {
  readonly root: ShadowRoot;
  readonly dialogs: Dialogs;
  connection: Connection = { kind: "connecting" };
  route: Route;
  api: Api;
  runs: RunsPage | undefined;
  run: RunPage | undefined;
  skills: readonly SkillSummary[] = [];
  /** The time that ages are counted from; it moves by seconds. */
  now = Date.now();
  #options: AppOptions;
  #stopping = new AbortController();
  #isUpdateDue = false;
  #isFocusDue = false;

  constructor(root: ShadowRoot, options: AppOptions) {
    this.root = root;
    this.#options = options;
    this.route = parseRoute(options.isRouted ? location.hash : "");
    this.api = new Api(options.base, options.apiKey ?? this.#storedKey());
    this.dialogs = new Dialogs(this);
  }

  /** Aborts when the inspector is taken out of the page. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  start(): void {
    const { signal } = this;
    const onHash = () => {
      // Whatever was asked was asked of another place.
      this.dialogs.dismiss();
      this.#show(parseRoute(location.hash));
    };
    if (this.#options.isRouted) addEventListener("hashchange", onHash, { signal });
    document.addEventListener("keydown", (event) => this.#onKey(event), { signal });
    const ticking = setInterval(() => {
      if (document.hidden) return;
      this.now = Date.now();
      this.update();
    }, 1_000);
    signal.addEventListener("abort", () => clearInterval(ticking));
    this.connect();
    this.update();
  }

  stop(): void {
    this.#stopping.abort();
    this.runs?.stop();
    this.run?.stop();
  }

  /** Draws again before the browser paints. */
  update(): void {
    if (this.#isUpdateDue || this.signal.aborted) return;
    this.#isUpdateDue = true;
    queueMicrotask(() => {
      this.#isUpdateDue = false;
      if (this.signal.aborted) return;
      render(shell(this), this.root);
      if (this.#isFocusDue) this.#focusPlace();
    });
  }

  /** Draws again when the promise has settled. Failures are the promise's own to show. */
  updateAfter(work: Promise<unknown>): void {
    this.update();
    void work.finally(() => this.update());
  }

  can(role: Role): boolean {
    return this.connection.kind === "ready" && reach[this.connection.who.role] >= reach[role];
  }

  go(route: Route, how: "push" | "replace" = "push"): void {
    if (this.#options.isRouted && how === "push") {
      location.hash = hashOf(route);
    } else {
      if (this.#options.isRouted) history.replaceState(history.state, "", hashOf(route));
      this.#show(route);
    }
  }

  /** Follows a link of the inspector where the address of the page is not the inspector's. */
  follow(event: MouseEvent): void {
    if (this.#options.isRouted || event.defaultPrevented || event.ctrlKey || event.metaKey) return;
    const link = event.target instanceof Element ? event.target.closest("a[href^='#/']") : null;
    if (link === null) return;
    event.preventDefault();
    this.#show(parseRoute(link.getAttribute("href") ?? ""));
  }

  async connect(): Promise<void> {
    try {
      const who = await this.api.get<Whoami>("/v1/whoami", this.signal);
      this.connection = { kind: "ready", who };
      this.#show(this.route);
      const { skills } = await this.api.get<SkillListAnswer>("/v1/skills", this.signal);
      this.skills = skills;
    } catch (error) {
      if (this.signal.aborted) return;
      this.failed(error);
    }
    this.update();
  }

  /** A failure that is not of one action: without a key one is asked for, and a service that is away is asked again. */
  failed(thrown: unknown): void {
    const error = asApiError(thrown);
    const wasReady = this.connection.kind === "ready";
    if (error.status === 401 || (error.status === 403 && !wasReady)) {
      this.connection = { kind: "keyless", ...(this.api.key === undefined ? {} : { refusal: error }) };
    } else if (!wasReady) {
      this.connection = { kind: "unreachable", error };
      setTimeout(() => this.connection.kind === "unreachable" && this.connect(), 2_000);
    }
    this.update();
  }

  useKey(key: string | undefined): void {
    if (key === undefined) sessionStorage.removeItem(this.#keyName);
    else sessionStorage.setItem(this.#keyName, key);
    this.api = new Api(this.#options.base, key ?? this.#options.apiKey);
    this.runs?.stop();
    this.run?.stop();
    this.runs = undefined;
    this.run = undefined;
    this.connection = key === undefined ? { kind: "keyless" } : { kind: "connecting" };
    if (key !== undefined) this.connect();
    this.update();
  }

  #show(route: Route): void {
    const before = this.route;
    this.route = route;
    if (placeOf(before) !== placeOf(route)) this.#isFocusDue = true;
    if (this.connection.kind === "ready") {
      if (route.page === "runs") {
        this.run?.stop();
        this.run = undefined;
        this.runs ??= new RunsPage(this);
        this.runs.show(route);
      } else {
        this.runs?.pause();
        if (this.run?.runId !== route.runId) {
          this.run?.stop();
          this.run = new RunPage(this, route.runId);
        }
        this.run.show(route);
      }
    }
    this.update();
  }

  /** The focus goes along: else it would be left on what is no longer there. */
  #focusPlace(): void {
    const title = this.root.querySelector("h1");
    // A run that is still read has none yet.
    if (title === null) return;
    this.#isFocusDue = false;
    if (this.route.page === "runs" && (this.runs?.list.active ?? -1) >= 0) this.runs?.list.focus();
    else title.focus({ preventScroll: true });
  }

  #onKey(event: KeyboardEvent): void {
    const [target] = event.composedPath();
    const isOurs = event.composedPath().includes(this.root) || target === document.body;
    if (!isOurs || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.dialogs.isOpen || isEditable(target)) return;
    if (event.key === "?") this.dialogs.openHelp();
    else if (this.route.page === "runs" ? this.runs?.onKey(event) : this.run?.onKey(event)) event.preventDefault();
  }

  get #keyName(): string {
    return `orca-inspector:key:${new URL(this.#options.base || "/", document.baseURI).href}`;
  }

  #storedKey(): string | undefined {
    return sessionStorage.getItem(this.#keyName) ?? undefined;
  }
}

function placeOf(route: Route): string {
  return route.page === "run" ? route.runId : "";
}

export function asApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  return new ApiError(0, "inspector_error", thrown instanceof Error ? thrown.message : String(thrown));
}

function isEditable(target: EventTarget | undefined): boolean {
  return (
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && target.type !== "range" && target.type !== "checkbox")
  );
}
