import {
  Annotation,
  type BaseCheckpointSaver,
  DeltaChannel,
  END,
  type MemorySaver,
  START,
  StateGraph,
} from "@langchain/langgraph";
import { type GrowingOptions, kilobyte, Pace } from "../programs/growing.ts";

/**
 * How LangGraph keeps a growing list. `whole` is the usual channel with a reducer: every checkpoint contains the whole list.
 * `delta` is its DeltaChannel, a beta: every hundredth checkpoint contains the whole list, and the others the writes.
 */
export type Channel = "whole" | "delta";

/** The run of `growDurable`, as a graph whose one node leads to itself. Returns the milliseconds per step. */
export async function growLangGraph(
  saver: BaseCheckpointSaver,
  thread: string,
  steps: number,
  channel: Channel,
  { result = kilobyte, onStep = () => {} }: GrowingOptions = {},
): Promise<number> {
  const pace = new Pace();
  const State = Annotation.Root({
    results:
      channel === "whole"
        ? Annotation<string[]>({ reducer: (all, more) => all.concat(more), default: () => [] })
        : () =>
            new DeltaChannel<string[], string[]>((all, writes) => all.concat(...writes), {
              initialValueFactory: () => [],
            }),
  });
  const graph = new StateGraph(State)
    .addNode("step", ({ results }) => {
      pace.called();
      onStep();
      return { results: [result(results.length + 1)] };
    })
    .addEdge(START, "step")
    .addConditionalEdges("step", ({ results }) => (results.length < steps ? "step" : END), ["step", END])
    .compile({ checkpointer: saver });
  const config = {
    configurable: { thread_id: thread },
    // A checkpoint is written before the next step begins, as in our runtime. By default it is written during that step.
    durability: "sync" as const,
    recursionLimit: steps + 1,
  };
  await graph.invoke({ results: [] }, config);
  const stepMs = pace.stepMs(steps);
  const { values } = await graph.getState(config);
  const kept = (values as typeof State.State).results;
  if (kept.length !== steps || kept.at(-1) !== result(steps)) throw new Error(`LangGraph kept ${kept.length} results.`);
  return stepMs;
}

/** The content of LangGraph's memory saver. */
export function memorySaverBytes({ storage, writes }: MemorySaver): Record<string, number> {
  return { checkpoints: binaryBytes(storage), writes: binaryBytes(writes) };
}

/** The total bytes of all byte arrays in it. */
function binaryBytes(value: unknown): number {
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce<number>((sum, each) => sum + binaryBytes(each), 0);
}

/** The content of both SQL savers, which have the same tables. */
export const saverBytes = `SELECT
  (SELECT sum(length(CAST(checkpoint AS BLOB)) + length(CAST(metadata AS BLOB))) FROM checkpoints WHERE thread_id = ?1)
    AS checkpoints,
  (SELECT sum(length(CAST(value AS BLOB))) FROM writes WHERE thread_id = ?1) AS writes`;
