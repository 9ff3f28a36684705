import { getOwn, read } from "../json.ts";
import type { AnyCapability, Capability, StepContext } from "../skills/capability.ts";
import { answerOf, attemptTimeout, checkMocks, invalidMock, type Mock } from "./mock.ts";

/** Mocks by the id of a capability. */
export type CapabilityMocks = Readonly<Record<string, Mock<StepContext>>>;

/**
 * The same capabilities, some of them with other handlers. Their definitions stay: schemas, retries, timeouts, gates
 * and the side-effect ledger apply to the results of a mock.
 *
 * @throws `invalid_definition` for a mock of a capability that is not among them.
 * @example
 * ```ts
 * import { createTestRuntime, mockCapabilities } from "orca-durable/testing";
 * import { capabilities, skills } from "./skills.ts";
 *
 * const mocks = mockCapabilities(capabilities, { "mail.send": { returns: { accepted: true } } });
 * export const { runs, settle } = createTestRuntime({ skills, capabilities: mocks });
 * ```
 */
export function mockCapabilities(
  capabilities: readonly AnyCapability[],
  mocks: CapabilityMocks,
): readonly AnyCapability[] {
  return read("mocks", () => mockedOnes(capabilities, mocks), code);
}

const code = "invalid_definition";

function mockedOnes(capabilities: readonly AnyCapability[], mocks: CapabilityMocks): readonly AnyCapability[] {
  checkMocks(mocks);
  const ids = capabilities.map(({ definition }) => definition.id);
  for (const id of Object.keys(mocks)) {
    if (!ids.includes(id)) throw invalidMock(id, "expected the id of one of these capabilities");
  }
  return capabilities.map((capability) => {
    const mock = getOwn(mocks, capability.definition.id);
    return mock === undefined ? capability : mocked(capability, mock);
  });
}

/** The capability with that mock as its handler. */
export function mocked(capability: AnyCapability, mock: Mock<StepContext>): Capability {
  const { definition, handler } = capability as unknown as Capability;
  return Object.freeze({
    definition,
    handler: (input: unknown, context: StepContext) =>
      answerOf(mock, input, context, { real: () => handler(input, context), timeout: attemptTimeout }),
  });
}
