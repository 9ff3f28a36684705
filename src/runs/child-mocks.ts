import type { Action } from "../engine/kernel.ts";
import type { BodyRun } from "../skills/code/workflow-step.ts";

/** Looks up what a test lets a `step.run` of that name do instead of starting a child; `undefined` if it starts one. */
export type ChildMock = (name: string, inputs: unknown) => Action | undefined;

/** The mocks of a body's child runs, by its pass. Only tests set them. */
export const childMocks: WeakMap<BodyRun, ChildMock> = new WeakMap();
