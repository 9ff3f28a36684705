import { DurableError } from "../errors.ts";

/** What a mocked handler is told. */
export interface MockContext {
  /** 1 for the first. */
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
}

/**
 * What answers in the place of the real thing: a result, an error, a timeout that takes no time, or a function.
 *
 * With `times` only so many first attempts of each step are answered, and those after them do the real thing: so a retry
 * is tested.
 */
export type Mock<Context extends MockContext = MockContext> =
  | MockFunction<Context>
  | { readonly returns: unknown; readonly times?: number }
  | { readonly throws: unknown; readonly times?: number }
  | { readonly timesOut: true; readonly times?: number };

/** Written as a method, so that a function may say what input it expects. */
export type MockFunction<Context extends MockContext> = {
  answer(input: unknown, context: Context): unknown;
}["answer"];

/** What the mock gives for this attempt; `real` does the real thing. */
export async function answerOf<Context extends MockContext>(
  mock: Mock<Context>,
  input: unknown,
  context: Context,
  real: () => unknown,
): Promise<unknown> {
  if (typeof mock === "function") return mock(input, context);
  if (context.attempt > (mock.times ?? Number.POSITIVE_INFINITY)) return real();
  if ("returns" in mock) return mock.returns;
  if ("throws" in mock) throw mock.throws;
  throw new DurableError("step_timeout", "the attempt was made to time out");
}

/** @throws `invalid_definition` where a mock is none of the forms, as one in JavaScript may be. */
export function checkMocks(mocks: Readonly<Record<string, unknown>>): void {
  for (const [name, mock] of Object.entries(mocks)) {
    const isMock =
      typeof mock === "function" ||
      (typeof mock === "object" && mock !== null && ["returns", "throws", "timesOut"].some((key) => key in mock));
    if (!isMock) {
      throw new DurableError(
        "invalid_definition",
        `the mock of "${name}" is neither a function nor one of returns, throws and timesOut`,
        { path: name },
      );
    }
  }
}
