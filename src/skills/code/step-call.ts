/** The callback of a step that is being called: its pass over a body, and its step id. */
interface StepCall {
  readonly of: object;
  readonly id: string;
}

/** The part of `AsyncLocalStorage` (Node and workerd) that is used here. */
interface AsyncContext {
  run<T>(call: StepCall, work: () => T): T;
  getStore(): StepCall | undefined;
}

// Browsers cannot follow a promise as long as `AsyncContext` is a proposal: there, only what a callback does before its
// first await is known to be inside it.
const context = asyncContext();
let calling: StepCall | undefined;

/** Calls the callback of a step so that {@link currentCall} can identify it. */
export function withinCall<T>(of: object, id: string, work: () => T): T {
  const call = { of, id };
  const outer = calling;
  calling = call;
  try {
    return context === undefined ? work() : context.run(call, work);
  } finally {
    calling = outer;
  }
}

/** The id of the step in whose callback this code runs, of the same pass over a body. */
export function currentCall(of: object): string | undefined {
  const call = calling ?? context?.getStore();
  return call?.of === of ? call.id : undefined;
}

function asyncContext(): AsyncContext | undefined {
  const { process } = globalThis as {
    process?: { getBuiltinModule?: (name: string) => { AsyncLocalStorage?: new () => AsyncContext } | undefined };
  };
  const Storage = process?.getBuiltinModule?.("node:async_hooks")?.AsyncLocalStorage;
  return Storage === undefined ? undefined : new Storage();
}
