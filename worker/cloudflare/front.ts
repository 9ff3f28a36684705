import { aFunction, given, type Kinds } from "../../src/argument.ts";
import { DurableError } from "../../src/index.ts";
import { createApp } from "../http/index.ts";
import { type DoorEnv, type DoorOptions, doorKinds, doorOf } from "./doorkeeper.ts";
import { forwarded, isAboutKeys } from "./forwarded.ts";
import type { ExecutionContext, ObjectNamespace } from "./platform.ts";

/** The bindings of a front. */
export interface FrontEnv extends DoorEnv {
  /** The class that {@link runsObject} made. */
  readonly RUNS?: ObjectNamespace;
}

/** The options of `createFront`. */
export interface FrontOptions<Bindings extends FrontEnv> extends DoorOptions<Bindings> {
  /** Returns the namespace of the objects. Default: the binding `RUNS`. */
  readonly objects?: (env: Bindings) => ObjectNamespace;
}

/** The default export of a Worker before objects. */
export interface Front<Bindings extends FrontEnv = FrontEnv> {
  fetch(request: Request, env: Bindings, context: ExecutionContext): Response | Promise<Response>;
}

const optionKinds: Kinds<FrontOptions<FrontEnv>> = {
  ...(doorKinds as Kinds<DoorOptions<FrontEnv>>),
  objects: aFunction,
};

/**
 * A Worker without a state, before one Durable Object for each tenant: it finds out who calls, counts calls, serves the inspector,
 * and forwards each call about runs to the object of its tenant, which {@link runsObject} makes.
 *
 * @example
 * ```ts
 * import { createFront, runsObject } from "orca-durable/cloudflare";
 * import { capabilities, skills } from "./skills.ts";
 *
 * export default createFront();
 * export class Runs extends runsObject({ skills, capabilities }) {}
 * ```
 */
export function createFront<Bindings extends FrontEnv = FrontEnv>(
  options: FrontOptions<Bindings> = {},
): Front<Bindings> {
  const checked = given(options as FrontOptions<FrontEnv>, optionKinds) as FrontOptions<Bindings>;
  const { objects = ({ RUNS }) => RUNS ?? missing() } = checked;
  return createApp<Bindings>({
    ...doorOf<Bindings>(checked),
    runs(tenant, { request, env }, caller) {
      if (isAboutKeys(request)) return undefined;
      const namespace = objects(env);
      return namespace.get(namespace.idFromName(tenant)).fetch(forwarded(request, caller));
    },
  });
}

function missing(): never {
  throw new DurableError("internal_error", "this Worker has no binding RUNS to a class of Durable Objects");
}
