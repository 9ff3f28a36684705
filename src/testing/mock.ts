import { aRecord, expectKind } from "../argument.ts";
import { DurableError } from "../errors.ts";

/** The attempt that a mock answers. */
export interface MockContext {
  /** 1 for the first. */
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
}

/**
 * The replacement for a real call: a result, an error, a timeout that takes no time, or a function.
 *
 * With `times` it answers only that many first attempts of each step, and later attempts make the real call.
 */
export type Mock<Context extends MockContext = MockContext> = MockFunction<Context> | FixedMock;

/** A mock with a fixed outcome. */
export type FixedMock =
  | { readonly returns: unknown; readonly times?: number }
  | { readonly throws: unknown; readonly times?: number }
  | { readonly timesOut: true; readonly times?: number };

// The type of a method, so that a function may declare the type of its input.
/** A mock that is a function. */
export type MockFunction<Context extends MockContext> = {
  answer(input: unknown, context: Context): unknown;
}["answer"];

/** The defaults of a mock. */
export interface Otherwise {
  real(): unknown;
  /** The error of a timeout. */
  timeout(): Error;
}

/** The result of a mock for an attempt. */
export async function answerOf<Context extends MockContext>(
  mock: Mock<Context>,
  input: unknown,
  context: Context,
  { real, timeout }: Otherwise,
): Promise<unknown> {
  if (typeof mock === "function") return mock(input, context);
  if (context.attempt > (mock.times ?? Number.POSITIVE_INFINITY)) return real();
  if ("returns" in mock) return mock.returns;
  throw "throws" in mock ? mock.throws : timeout();
}

/** The error of the step kernel when an attempt takes too long. */
export function attemptTimeout(): DurableError {
  return new DurableError("step_timeout", "the mock made the attempt time out");
}

/** @throws `invalid_definition` if a mock has none of the forms, which is possible without type checks. */
export function checkMocks(mocks: Readonly<Record<string, Mock<never>>>): void {
  expectKind(mocks, aRecord, "mocks", "invalid_definition");
  for (const [name, mock] of Object.entries(mocks)) {
    const isMock =
      typeof mock === "function" ||
      (typeof mock === "object" && mock !== null && ("returns" in mock || "throws" in mock || "timesOut" in mock));
    if (!isMock) throw invalidMock(name, "expected a function, or one of returns, throws and timesOut");
  }
}

export function invalidMock(name: string, problem: string): DurableError {
  return new DurableError("invalid_definition", `mock "${name}": ${problem}`, { path: name });
}
