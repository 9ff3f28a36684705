import { perform } from "./actions.ts";
import { Dialogs } from "./dialogs.ts";
import type { Inspector } from "./inspector.ts";
import { type Problem, problemOf } from "./problem.ts";
import { hashOf, parseRoute, type Route } from "./route.ts";
import { RunPage } from "./run-page.ts";
import { RunsPage } from "./runs-page.ts";
import { type ScheduleCalls, type Service, schedulesAt, serviceAt } from "./service.ts";
import type { Role, RunAnswer, SkillSummary, Whoami } from "./wire.ts";

export interface AppOptions {
  /** The part of the URL before `/v1`. */
  readonly base: string;
  /** The key to send. Default: the key of the session; if there is none, the inspector asks for one. */
  readonly apiKey: string | undefined;
  /** Whether the URL of the page shows what is open. */
  readonly isRouted: boolean;
  /** Draws the current state. */
  readonly draw: (app: App) => void;
}

/** The state of the connection to the service. */
type Connection =
  | { readonly kind: "connecting" }
  | { readonly kind: "keyless"; readonly refusal?: Problem }
  | { readonly kind: "unreachable"; readonly problem: Problem }
  | { readonly kind: "ready"; readonly who: Whoami };

const reach: Readonly<Record<Role, number>> = { read: 0, execute: 1, admin: 2 };

/** The inspector of one service: its state, and the only place from which it is drawn. */
export class App implements Inspector {
  readonly root: ShadowRoot;
  readonly dialogs: Dialogs;
  connection: Connection = { kind: "connecting" };
  route: Route;
  service: Service;
  schedules: ScheduleCalls;
  /** The key that requests carry. */
  key: string | undefined;
  runs: RunsPage | undefined;
  run: RunPage | undefined;
  skills: readonly SkillSummary[] = [];
  /** The current time for ages; it is updated every second. */
  now = Date.now();
  #options: AppOptions;
  #stopping = new AbortController();
  #isUpdateDue = false;
  #isFocusDue = false;

  constructor(root: ShadowRoot, options: AppOptions) {
    this.root = root;
    this.#options = options;
    this.route = parseRoute(options.isRouted ? location.hash : "");
    this.key = options.apiKey ?? sessionStorage.getItem(this.#keyName) ?? undefined;
    this.service = serviceAt(this.#base, this.key);
    this.schedules = schedulesAt(this.#base, this.key);
    this.dialogs = new Dialogs(
      () => this.update(),
      (action, data, idempotencyKey) => perform(this, action, data, idempotencyKey),
    );
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  start(): void {
    const { signal } = this;
    const onHash = () => {
      // An open dialog belongs to the previous page.
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

  get listRoute(): Route {
    return { page: "runs", ...this.runs?.book.filter };
  }

  update(): void {
    if (this.#isUpdateDue || this.signal.aborted) return;
    this.#isUpdateDue = true;
    queueMicrotask(() => {
      this.#isUpdateDue = false;
      if (this.signal.aborted) return;
      this.#options.draw(this);
      if (this.#isFocusDue) this.#focusPlace();
    });
  }

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

  /** Follows a link of the inspector if the URL of the page is not used for routing. */
  follow(event: MouseEvent): void {
    if (this.#options.isRouted || event.defaultPrevented || event.ctrlKey || event.metaKey) return;
    const link = event.target instanceof Element ? event.target.closest("a[href^='#/']") : null;
    if (link === null) return;
    event.preventDefault();
    this.#show(parseRoute(link.getAttribute("href") ?? ""));
  }

  async connect(): Promise<void> {
    try {
      const { signal } = this;
      const who = await this.service.whoami({ signal });
      this.connection = { kind: "ready", who };
      this.#show(this.route);
      this.skills = (await this.service.skills({ signal })).skills;
    } catch (error) {
      if (this.signal.aborted) return;
      this.failed(problemOf(error));
    }
    this.update();
  }

  failed(problem: Problem): void {
    const wasReady = this.connection.kind === "ready";
    if (problem.code === "unauthorized" || (problem.code === "forbidden" && !wasReady)) {
      this.connection = { kind: "keyless", ...(this.key === undefined ? {} : { refusal: problem }) };
    } else if (!wasReady) {
      this.connection = { kind: "unreachable", problem };
      setTimeout(() => this.connection.kind === "unreachable" && this.connect(), 2_000);
    }
    this.update();
  }

  useKey(key: string | undefined): void {
    if (key === undefined) sessionStorage.removeItem(this.#keyName);
    else sessionStorage.setItem(this.#keyName, key);
    this.key = key ?? this.#options.apiKey;
    this.service = serviceAt(this.#base, this.key);
    this.schedules = schedulesAt(this.#base, this.key);
    this.runs?.stop();
    this.run?.stop();
    this.runs = undefined;
    this.run = undefined;
    this.connection = key === undefined ? { kind: "keyless" } : { kind: "connecting" };
    if (key !== undefined) this.connect();
    this.update();
  }

  took(run: RunAnswer): void {
    if (this.run?.runId === run.run_id) this.run.feed.took(run);
  }

  erased(runId: string): void {
    if (this.run?.runId === runId) this.run.stop();
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

  /** Moves the focus too: otherwise it would stay on an element that is gone. */
  #focusPlace(): void {
    const title = this.root.querySelector("h1");
    // A run that is still loading has no title yet.
    if (title === null) return;
    this.#isFocusDue = false;
    if (this.route.page === "runs" && (this.runs?.list.active ?? -1) >= 0) this.runs?.list.focus();
    else title.focus({ preventScroll: true });
  }

  #onKey(event: KeyboardEvent): void {
    const [target] = event.composedPath();
    const isOurs = event.composedPath().includes(this.root) || target === document.body;
    if (!isOurs || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.dialogs.open !== undefined || isEditable(target)) return;
    if (event.key === "?") this.dialogs.show({ kind: "help" });
    else if (this.route.page === "runs" ? this.runs?.onKey(event) : this.run?.onKey(event)) event.preventDefault();
  }

  get #base(): string {
    return new URL(this.#options.base || "/", document.baseURI).href;
  }

  get #keyName(): string {
    return `orca-inspector:key:${this.#base}`;
  }
}

function placeOf(route: Route): string {
  return route.page === "run" ? route.runId : "";
}

function isEditable(target: EventTarget | undefined): boolean {
  return (
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && target.type !== "range" && target.type !== "checkbox")
  );
}
