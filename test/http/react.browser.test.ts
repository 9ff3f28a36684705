import { Component, createElement as h, type ReactNode, StrictMode } from "react";
import { flushSync } from "react-dom";
import { createRoot, hydrateRoot, type Root } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, describe, expect, expectTypeOf, test, vi } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import {
  type CurrentRun,
  createRuntime,
  DurableError,
  defineSkill,
  localNotifier,
  type Runs,
  type RunsApi,
} from "../../src/index.ts";
import { outputs } from "../../src/steps.ts";
import { watchRun } from "../../src/watch.ts";
import { createClient } from "../../worker/client/index.ts";
import { createApp } from "../../worker/http/index.ts";
import {
  RunsProvider,
  type RunsView,
  type RunView,
  type Shown,
  useRun,
  useRuns,
  useRunsApi,
} from "../../worker/react/index.ts";
import { type OutputView, useOutput } from "../../worker/react/output.ts";

const asking = defineSkill({ id: "asking", version: "1", run: (step) => step.waitForApproval("ask") });

/** Says a word at each turn that a test gives it, and fails at "!" once, in its first attempt. */
const telling = defineSkill({
  id: "telling",
  version: "1",
  uses: [outputs],
  run: (step) =>
    step.do("tell", { retries: { limit: 1, delay: 1 } }, async ({ output, attempt }) => {
      for (;;) {
        const word = await new Promise<string>((say) => says.push(say));
        if (word === ".") return "told";
        if (word === "!" && attempt === 1) throw new Error("lost the thread");
        await output.write(word);
        await output.write(word);
        await output.flush();
      }
    }),
});
const says: ((word: string) => void)[] = [];

async function say(word: string): Promise<void> {
  await expect.poll(() => says.length).toBe(1);
  says.shift()?.(word);
}

const roots: { readonly root: Root; readonly place: HTMLElement }[] = [];

afterEach(() => {
  for (const { root, place } of roots.splice(0)) {
    root.unmount();
    place.remove();
  }
  vi.restoreAllMocks();
});

function newPlace(): HTMLElement {
  return document.body.appendChild(document.createElement("div"));
}

function render(node: ReactNode): { readonly place: HTMLElement; readonly root: Root } {
  const place = newPlace();
  const root = createRoot(place);
  flushSync(() => root.render(node));
  roots.push({ root, place });
  return { place, root };
}

/** The runs of a runtime, with what was read, and how many listen for changes. */
function world() {
  const local = localNotifier();
  const counts = { lists: 0, gets: 0, listeners: 0 };
  const notifier = {
    ...local,
    subscribe(listener: Parameters<typeof local.subscribe>[0]) {
      const end = local.subscribe(listener);
      counts.listeners++;
      return () => {
        counts.listeners--;
        end();
      };
    },
  };
  const runtime = createRuntime({ store: memoryStore(), skills: [asking, telling], notifier, serves: false });
  const runs = runtime.for("t");
  const { list, get } = runs;
  runs.list = (query) => {
    counts.lists++;
    return list.call(runs, query);
  };
  runs.get = (runId) => {
    counts.gets++;
    return get.call(runs, runId);
  };
  return { runs, counts, runtime };
}

/** Starts a run, and waits until it waits. */
async function start(runs: RunsApi, runId: string): Promise<void> {
  await runs.start({ skillId: asking.id, runId });
  for await (const { run } of watchRun(runs, runId)) if (run?.status === "waiting_for_human") return;
}

const within = (runs: RunsApi | undefined, ...children: ReactNode[]) =>
  h(RunsProvider, { runs }, ...children.map((child, key) => h("div", { key }, child)));

function List({ status, limit }: { readonly status?: CurrentRun["status"]; readonly limit?: number }) {
  const view = useRuns({ ...(status && { status }), ...(limit && { limit }) });
  const rows = view.runs.map(({ runId, status }) => h("li", { key: runId }, `${runId} ${status}`));
  return h("ul", null, shown(view), rows);
}

function One({ runId }: { readonly runId: string | undefined }) {
  const view = useRun(runId);
  return h("p", null, shown(view), view.run === undefined ? "" : `${view.run.runId} ${view.run.status}`);
}

function Told({ runId, of = "tell" }: { readonly runId: string | undefined; readonly of?: string }) {
  const view = useOutput<string>(runId, of);
  return h("p", null, shown(view), view.chunks.join(" "), view.status === undefined ? "" : ` (${view.status})`);
}

const shown = ({ isLoading, error }: Shown) =>
  `${isLoading ? "loading;" : ""}${error === undefined ? "" : `${(error as DurableError).code};`}`;

test("the hooks have the types of runs", () => {
  expectTypeOf<RunsView["runs"]>().toEqualTypeOf<readonly CurrentRun[]>();
  expectTypeOf<RunView["run"]>().toEqualTypeOf<CurrentRun | undefined>();
  expectTypeOf(useRun).parameters.toEqualTypeOf<[runId: string | undefined]>();
  expectTypeOf(useRunsApi).returns.toEqualTypeOf<RunsApi | undefined>();
});

const clientOf = (runs: Runs) => {
  const app = createApp({ authenticate: () => ({ tenant: "t", role: "admin" }), runs: () => runs });
  return createClient("http://orca.test", { fetch: (request) => app.fetch(request) });
};

describe.each<[string, (runs: Runs) => RunsApi]>([
  ["the runs of a runtime", (runs) => runs],
  ["a client", clientOf],
])("over %s", (_, seenBy) => {
  test("a list is loading first, and follows each change", async () => {
    const { runs } = world();
    await start(runs, "a");
    const { place } = render(within(seenBy(runs), h(List)));
    expect(place.textContent).toBe("loading;");
    await expect.poll(() => place.textContent).toBe("a waiting_for_human");
    await start(runs, "b");
    await expect.poll(() => place.querySelectorAll("li").length).toBe(2);
    await runs.deny("a");
    await expect.poll(() => place.textContent).toContain("a canceled");
  });

  test("a run follows each change, and a component can show another", async () => {
    const { runs } = world();
    await start(runs, "a");
    await start(runs, "b");
    const api = seenBy(runs);
    const { place, root } = render(within(api, h(One, { runId: "a" })));
    await expect.poll(() => place.textContent).toBe("a waiting_for_human");
    await runs.approve("a");
    await expect.poll(() => place.textContent).toBe("a completed");
    root.render(within(api, h(One, { runId: "b" })));
    await expect.poll(() => place.textContent).toBe("b waiting_for_human");
    root.render(within(api, h(One, { runId: undefined })));
    await expect.poll(() => place.textContent).toBe("");
  });

  test("a run that is not there is an error, and is shown once it is", async () => {
    const { runs } = world();
    const { place } = render(within(seenBy(runs), h(One, { runId: "later" })));
    await expect.poll(() => place.textContent).toBe("not_found;");
    await start(runs, "later");
    await expect.poll(() => place.textContent).toBe("later waiting_for_human");
  });
});

describe.each<[string, (runs: Runs) => RunsApi]>([
  ["the runs of a runtime", (runs) => runs],
  ["a client", clientOf],
])("the output of a step over %s", (_, seenBy) => {
  test("grows as it is stored, begins anew with a new attempt, and ends with the step", async () => {
    const { runs } = world();
    const api = seenBy(runs);
    const { place, root } = render(h(StrictMode, null, within(api, h(Told, { runId: "a" }))));
    expect(place.textContent).toBe("loading;");
    await runs.start({ skillId: telling.id, runId: "a" });
    await say("once");
    await expect.poll(() => place.textContent).toBe("once once");
    await say("upon");
    await expect.poll(() => place.textContent).toBe("once once upon upon");
    await say("!");
    await say("twice");
    await expect.poll(() => place.textContent).toBe("twice twice");
    await say(".");
    await expect.poll(() => place.textContent).toBe("twice twice (completed)");
    root.render(within(api, h(Told, { runId: undefined })));
    await expect.poll(() => place.textContent).toBe("");
    root.render(within(api, h(Told, { runId: "a", of: "another" })));
    await expect.poll(() => place.textContent).toBe(" (completed)");
  });
});

test("components that show the same output share one loop, and a commit is one rendering", async () => {
  const { runs } = world();
  await runs.start({ skillId: telling.id, runId: "a" });
  const views: OutputView<string>[] = [];
  const Seen = () => {
    views.push(useOutput<string>("a", "tell"));
    return null;
  };
  const watches = vi.spyOn(runs, "watch");
  render(within(runs, h(Seen), h(Told, { runId: "a" }), h(Told, { runId: "a" })));
  await say("once");
  await say("more");
  await say(".");
  await expect.poll(() => views.at(-1)?.status).toBe("completed");
  expect(watches).toHaveBeenCalledTimes(1);
  const lengths = views.map(({ chunks }) => chunks.length);
  expect(new Set(lengths)).toEqual(new Set([0, 2, 4].filter((length) => lengths.includes(length))));
  expect(lengths).toContain(4);
});

test("components that show the same share one loop, and the last one ends it", async () => {
  const { runs, counts } = world();
  await start(runs, "a");
  Object.assign(counts, { lists: 0, gets: 0 });
  const same = Array.from({ length: 20 }, (_, key) => h(List, { key, limit: 5 }));
  const { place, root } = render(within(runs, same, h(One, { runId: "a" }), h(One, { runId: "a" })));
  await expect.poll(() => place.textContent?.split("waiting_for_human").length).toBe(23);
  expect(counts).toEqual({ lists: 1, gets: 1, listeners: 2 });
  root.render(within(runs, same.slice(0, 1)));
  await expect.poll(() => counts.listeners).toBe(1);
  root.render(null);
  await expect.poll(() => counts.listeners).toBe(0);
});

test("in strict mode too, a list is read once", async () => {
  const { runs, counts } = world();
  await start(runs, "a");
  const { place, root } = render(h(StrictMode, null, within(runs, h(List))));
  await expect.poll(() => place.textContent).toBe("a waiting_for_human");
  expect(counts).toMatchObject({ lists: 1, listeners: 1 });
  root.unmount();
  await expect.poll(() => counts.listeners).toBe(0);
});

test("a component is drawn again only if what it shows has changed", async () => {
  const { runs } = world();
  await start(runs, "a");
  await start(runs, "b");
  let drawn = 0;
  const Own = () => {
    drawn++;
    return h("p", null, useRun("a").run?.status);
  };
  const { place } = render(within(runs, h(Own)));
  await expect.poll(() => place.textContent).toBe("waiting_for_human");
  const before = drawn;
  await runs.deny("b");
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(drawn).toBe(before);
  await runs.deny("a");
  await expect.poll(() => place.textContent).toBe("canceled");
  expect(drawn).toBeGreaterThan(before);
});

test("a failure that passes is an error beside the list, and one that does not an error alone", async () => {
  const { runs } = world();
  await start(runs, "a");
  const { list } = runs;
  const { place } = render(within(runs, h(List)));
  await expect.poll(() => place.textContent).toBe("a waiting_for_human");
  runs.list = () => Promise.reject(new DurableError("store_failed", "no disk"));
  await expect.poll(() => place.textContent).toBe("store_failed;a waiting_for_human");
  runs.list = list;
  await expect.poll(() => place.textContent).toBe("a waiting_for_human");
  const locked = Object.assign(Object.create(runs) as RunsApi, {
    list: () => Promise.reject(new DurableError("unauthorized", "no key")),
  });
  const other = render(within(locked, h(List)));
  await expect.poll(() => other.place.textContent).toBe("unauthorized;");
});

test("what a server renders is loading, starts nothing, and hydrates without a complaint", async () => {
  const { runs, counts } = world();
  await start(runs, "a");
  const before = { ...counts };
  expect(renderToString(within(runs, h(Told, { runId: "a" })))).toContain("loading;");
  const html = renderToString(within(undefined, h(List), h(One, { runId: "a" })));
  expect(html).toContain("loading;");
  expect(renderToString(within(runs, h(List), h(One, { runId: "a" })))).toBe(html);
  expect(counts).toEqual(before);
  const complaints = vi.spyOn(console, "error");
  const place = newPlace();
  place.innerHTML = html;
  roots.push({ root: hydrateRoot(place, within(runs, h(List), h(One, { runId: "a" }))), place });
  await expect.poll(() => place.textContent).toBe("a waiting_for_humana waiting_for_human");
  expect(complaints).not.toHaveBeenCalled();
});

test("without a provider, a hook says what is missing", async () => {
  class Boundary extends Component<{ readonly children?: ReactNode }, { readonly error?: DurableError }> {
    override state: { readonly error?: DurableError } = {};
    static getDerivedStateFromError = (error: DurableError) => ({ error });
    override render = () => this.state.error?.message ?? this.props.children;
  }
  vi.spyOn(console, "error").mockImplementation(() => {});
  const { place } = render(h(Boundary, null, h(List)));
  await expect.poll(() => place.textContent).toBe("no runs: expected a RunsProvider above this component");
});

test("a component acts on the runs of its provider", async () => {
  const { runs } = world();
  await start(runs, "a");
  const Deny = () => {
    const api = useRunsApi();
    return h("button", { type: "button", onClick: () => api?.deny("a") }, "Deny");
  };
  const { place } = render(within(runs, h(Deny), h(One, { runId: "a" })));
  await expect.poll(() => place.textContent).toBe("Denya waiting_for_human");
  place.querySelector("button")?.click();
  await expect.poll(() => place.textContent).toBe("Denya canceled");
});
