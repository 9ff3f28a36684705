import { partsOfStepId, stepId } from "../ids.ts";
import { getOwn, type Json } from "../json.ts";
import type { LedgerNames, RunRecord } from "../record/run.ts";

/** New names of steps by their old ones. */
export type Names = LedgerNames["names"];
/** The form of the skill that has the steps. */
export type Form = LedgerNames["form"];

/**
 * The id under other names: in a graph each step has its own name, in a body all steps of one name are renamed
 * together.
 */
export function renamedId(form: Form, names: Names, id: string): string {
  if (form === "graph") return getOwn(names, id) ?? id;
  const [name, count] = partsOfStepId(id);
  return stepId(getOwn(names, name) ?? name, count);
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
