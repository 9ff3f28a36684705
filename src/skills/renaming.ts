import { partsOfStepId, stepId } from "../ids.ts";
import { getOwn, type Json, present } from "../json.ts";

import type { LedgerNames, RunRecord } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import { renamedAsks } from "./code/ask-log.ts";
import type { Migration, Skill } from "./skill.ts";

type Names = Readonly<Record<string, string>>;
type Form = LedgerNames["form"];

/**
 * The id under other names: in a graph each step has its own name, in a body all steps of one name are renamed
 * together.
 */
function renamedId(form: Form, names: Names, id: string): string {
  if (form === "graph") return getOwn(names, id) ?? id;
  const [name, count] = partsOfStepId(id);
  return stepId(getOwn(names, name) ?? name, count);
}

/**
 * The state with its steps renamed as a migration says.
 *
 * @throws if two steps would have the same name.
 */
export function renamedState(
  { body }: Skill,
  { renames }: Migration,
  state: ExecutionState<Json>,
): ExecutionState<Json> {
  if (renames === undefined) return state;
  const rename = (id: string) => renamedId(body.kind, renames, id);
  const named = <T extends { readonly stepId?: string }>(part: T): T =>
    part.stepId === undefined ? part : { ...part, stepId: rename(part.stepId) };
  const results = Object.entries(state.stepResults).map(([id, result]) => [rename(id), named(result)] as const);
  const stepResults = Object.fromEntries(results);
  if (Object.keys(stepResults).length < results.length) {
    const ids = results.map(([id]) => id);
    const twice = ids.find((id, index) => ids.indexOf(id) < index);
    throw new Error(`renames: two steps of the state would have the name "${twice}"`);
  }
  return {
    ...state,
    stepResults,
    events: state.events.map(named),
    trace: { ...state.trace, steps: state.trace.steps.map(named) },
    extensions: renamedAsks(state.extensions, rename),
    ...present({ currentStep: state.currentStep && rename(state.currentStep) }),
  };
}

/** The record with its waits and gates renamed as these migrations say. */
export function renamedRecord(
  { body, version }: Skill,
  migrations: readonly Migration[],
  record: RunRecord<Json>,
): RunRecord<Json> {
  const renamings = migrations.flatMap(({ renames, to = version }) => (renames === undefined ? [] : [{ renames, to }]));
  const { run, ledgerNames = {} } = record;
  const before = run.skillVersion === undefined ? undefined : getOwn(ledgerNames, run.skillVersion)?.names;
  if (renamings.length === 0 && before === undefined) return record;
  const rename = (id: string) => renamings.reduce((id, { renames }) => renamedId(body.kind, renames, id), id);
  const named = <T extends { readonly stepId?: string }>(part: T): T =>
    part.stepId === undefined ? part : { ...part, stepId: rename(part.stepId) };
  const { approvalRequest, currentStepId, error } = run;
  const names = renamings.reduce((names, { renames, to }) => namesAfter(names, renames, to), before ?? {});
  return {
    ...record,
    run: {
      ...run,
      ...present({
        approvalRequest: approvalRequest && named(approvalRequest),
        currentStepId: currentStepId === undefined ? undefined : rename(currentStepId),
        error: error && named(error),
      }),
    },
    waits: record.waits.map(named),
    ledgerNames: { ...ledgerNames, [version]: { form: body.kind, names } },
  };
}

/** The names by which the ledger knows steps, after a migration to that version. */
function namesAfter(names: Names, renames: Names, to: string): Names {
  const after = { ...names };
  for (const old of Object.keys(renames)) {
    // Another step that takes the old name is not the one that the ledger knows by it. No step name contains U+0000.
    after[old] = `${old}\u0000${to}`;
  }
  for (const [old, name] of Object.entries(renames)) after[name] = getOwn(names, old) ?? old;
  return after;
}

/**
 * The name by which the ledger and the receivers of an idempotency key know a step: its name when the run began, so
 * that a migration that renames the step does not turn it into another action.
 */
export function ledgerName({ run, ledgerNames }: RunRecord<Json>, id: string): string {
  const known = run.skillVersion === undefined ? undefined : getOwn(ledgerNames ?? {}, run.skillVersion);
  return known === undefined ? id : renamedId(known.form, known.names, id);
}

/** The step of that name in the ledger, in states of that version. */
export function stepOfLedgerName({ ledgerNames }: RunRecord<Json>, version: string | undefined, name: string): string {
  const known = version === undefined ? undefined : getOwn(ledgerNames ?? {}, version);
  if (known === undefined) return name;
  const inverse = Object.fromEntries(Object.entries(known.names).map(([id, name]) => [name, id]));
  return renamedId(known.form, inverse, name);
}
