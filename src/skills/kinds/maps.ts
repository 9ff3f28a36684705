import { aFunction, aLimit, anArray, aStepName, expectKind, given, type Kinds } from "../../argument.ts";
import { invalidRequest, shown } from "../../errors.ts";
import { isStepName } from "../../ids.ts";
import { at, oneOf, read } from "../../json.ts";
import { type StepKind, stepKind } from "../code/step-kind.ts";
import type { StepConfig, WorkflowStep, WorkflowStepContext } from "../code/workflow.ts";
import { configKinds, handled } from "../code/workflow-step.ts";

/** How a map calls the steps of its items. All options of a step hold for each of them. */
export interface MapOptions<Item = unknown> extends StepConfig {
  /** The most steps of the map in flight at the same time. Default 5. */
  readonly concurrency?: number;
  /**
   * The part of a step's name that identifies its item, such as an order number. Default: the position. Two items may not
   * have the same.
   */
  readonly key?: (item: Item, index: number) => string;
  /**
   * With `fail`, the default, no step begins after the first failure, those in flight settle, and the map rejects with that
   * failure. With `collect` every item settles, and the results are {@link MapOutcome}.
   */
  readonly onFailure?: "fail" | "collect";
}

/** What became of one item of a map with `onFailure: "collect"`. */
export type MapOutcome<T> =
  | { readonly status: "completed"; readonly value: T }
  | { readonly status: "failed"; readonly error: unknown };

/** The callback of a map, called for an item at least once. */
export type MapCallback<Item, T> = (item: Item, context: WorkflowStepContext, index: number) => Promise<T>;

/** The steps of {@link maps}. */
export interface MapSteps {
  /**
   * Calls a step for each item, with at most `concurrency` of them in flight. The step of an item is named `name[key]`.
   * Resolves to the results in the order of the items.
   *
   * @throws `invalid_request` if a key is used twice, or does not fit into the name of a step; no step has begun then.
   * @example
   * ```ts
   * import { defineSkill } from "orca-durable";
   * import { maps } from "orca-durable/steps";
   *
   * export const resize = defineSkill({
   *   id: "resize",
   *   version: "1",
   *   uses: [maps],
   *   run: (step, { urls }: { urls: readonly string[] }) =>
   *     step.map("fetch", urls, { concurrency: 3 }, async (url, { signal }) => {
   *       const response = await fetch(url, { signal });
   *       return (await response.arrayBuffer()).byteLength;
   *     }),
   * });
   * ```
   */
  map<Item, T>(name: string, items: readonly Item[], callback: MapCallback<Item, T>): Promise<readonly T[]>;
  map<Item, T>(
    name: string,
    items: readonly Item[],
    options: MapOptions<Item> & { readonly onFailure: "collect" },
    callback: MapCallback<Item, T>,
  ): Promise<readonly MapOutcome<T>[]>;
  map<Item, T>(
    name: string,
    items: readonly Item[],
    options: MapOptions<Item> & { readonly onFailure?: "fail" },
    callback: MapCallback<Item, T>,
  ): Promise<readonly T[]>;
}

/**
 * Gives a body `step.map`: a step for each item of a list, with bounded concurrency.
 *
 * @example
 * ```ts
 * import { defineSkill } from "orca-durable";
 * import { maps } from "orca-durable/steps";
 *
 * export const squares = defineSkill({
 *   id: "squares",
 *   version: "1",
 *   uses: [maps],
 *   run: (step) => step.map("square", [1, 2, 3], async (n) => n * n),
 * });
 * ```
 */
export const maps: StepKind<MapSteps> = /* @__PURE__ */ stepKind("maps", (_, step) => ({
  map: (name: string, items: readonly unknown[], ...rest: readonly unknown[]) =>
    handled(async () => {
      const [asked, callback] = (typeof rest[0] === "function" ? [{}, ...rest] : rest) as [MapOptions, Callback];
      expectKind(name, aStepName, "name");
      const path = `${name}.items`;
      // A copy: most steps are called later, and the caller may change the list meanwhile.
      const list = read(path, () => [...expectKind(items, anArray, path)]);
      expectKind(callback, aFunction, `${name}.callback`);
      const options = given(asked, optionKinds, name, name);
      const names = list.map(namesOf(name, options.key));
      return asTyped(await mapped(step, names, options, (index, context) => callback(list[index], context, index)));
    }),
}));

type Callback = MapCallback<unknown, unknown>;

// Each result is what the callback returned, or with `onFailure: "collect"` an outcome: as the overloads say.
function asTyped(results: readonly unknown[]): readonly never[] {
  return results as readonly never[];
}

const optionKinds: Kinds<MapOptions> = {
  ...configKinds,
  concurrency: aLimit,
  key: aFunction,
  onFailure: /* @__PURE__ */ oneOf(["fail", "collect"]),
};

/**
 * The name of the step of an item.
 *
 * @throws `invalid_request` that names the item.
 */
function namesOf(name: string, keyOf: NonNullable<MapOptions["key"]> = (_, index) => `${index}`) {
  const places = new Map<string, number>();
  return (item: unknown, index: number): string => {
    const path = at(`${name}.items`, index);
    const key = keyOf(item, index);
    const named = `${name}[${key}]`;
    if (typeof key !== "string" || !isStepName(named)) {
      throw invalidRequest(path, `expected a key, a text for a step name of at most 256 characters, not ${shown(key)}`);
    }
    const other = places.get(key);
    if (other !== undefined) throw invalidRequest(path, `the item has the key of item ${other}, ${shown(key)}`);
    places.set(key, index);
    return named;
  };
}

/**
 * The results of these steps. When one has answered, the next is called. Answers come in the order of the record, so each
 * pass calls the steps in the same order.
 */
async function mapped(
  step: WorkflowStep,
  names: readonly string[],
  { concurrency = 5, key: _, onFailure, ...config }: MapOptions,
  callback: (index: number, context: WorkflowStepContext) => Promise<unknown>,
): Promise<readonly unknown[]> {
  const results = new Array<unknown>(names.length);
  const isCollecting = onFailure === "collect";
  let failure: { readonly error: unknown } | undefined;
  const left = names.entries();
  const lane = async () => {
    for (const [index, name] of left) {
      try {
        const value = await step.do(name, config, (context) => callback(index, context));
        results[index] = isCollecting ? { status: "completed", value } : value;
      } catch (error) {
        if (isCollecting) results[index] = { status: "failed", error };
        else failure ??= { error };
      }
      if (failure !== undefined) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, names.length) }, lane));
  if (failure !== undefined) throw failure.error;
  return results;
}
