import { anything, aRecord, expectKind, given, type Kinds } from "../../argument.ts";
import { bytesAtMost, decodeValue, encodeValue } from "../../codec/values.ts";
import { ask, begun, type StepSpec, settle } from "../../engine/kernel.ts";
import type { Pass, StepOutcome } from "../../engine/pass.ts";
import { DurableError } from "../../errors.ts";
import { partsOfStepId } from "../../ids.ts";
import { getOwn, type Json, jsonText, present, read, utf8Length } from "../../json.ts";
import { waitOf } from "../../record/run.ts";
import { aSchema, type Schema, validate } from "../../schema.ts";
import { type StepKind, stepKind } from "../code/step-kind.ts";
import type { Approval } from "../code/workflow.ts";
import { answer, checkName, handled, take } from "../code/workflow-step.ts";

/** What a step asks a person. */
export interface Question {
  /**
   * What the person sees: over HTTP, in the inspector, and as `approvalRequest.show` of the run. Any value that can be
   * stored, at most 16 KiB.
   */
  readonly show?: unknown;
}

/** A decision that opened a gate, with what the person answered. */
export interface AnsweredApproval<Data = unknown> extends Approval {
  readonly data: Data;
}

/** Schemas of answers, by the name of the step that asks. */
export type AnswerSchemas = { readonly [name: string]: Schema };

/** The type of the answer at the gate of that name. */
export type AnswerOf<Schemas, Name> = Name extends keyof Schemas
  ? Schemas[Name] extends Schema<infer Data>
    ? Data
    : unknown
  : unknown;

/** The steps of {@link approvals}. */
export interface ApprovalSteps<Schemas = object> {
  /**
   * Waits until a person approves what the step shows. `data` is what the approval carries, as the schema of that name
   * returns it. A denial cancels the run.
   *
   * @example
   * ```ts
   * import { defineSkill } from "orca-durable";
   * import { approvals } from "orca-durable/steps";
   *
   * export const notice = defineSkill({
   *   id: "notice",
   *   version: "1",
   *   uses: [approvals()],
   *   async run(step, { to, text }: { to: string; text: string }) {
   *     const { approver } = await step.waitForApproval("read it", { show: { to, text } });
   *     return `approved by ${approver}`;
   *   },
   * });
   * ```
   */
  waitForApproval<Name extends string>(
    name: Name,
    question: Question,
  ): Promise<AnsweredApproval<AnswerOf<Schemas, Name>>>;
}

/** The most bytes of what a step shows: it is in the run's row. */
const maxShownBytes = 16 * 1024;

const questionKinds: Kinds<Question> = { show: anything };

/**
 * Approvals with content: `step.waitForApproval(name, { show })` shows a person what is to be approved, and the approval
 * may carry data. With a schema for the name of the step, data that does not match is rejected, and the gate stays open.
 *
 * @example
 * ```ts
 * import { defineSkill } from "orca-durable";
 * import { approvals } from "orca-durable/steps";
 * import * as v from "valibot";
 *
 * const amount = v.object({ amount: v.pipe(v.number(), v.minValue(1)) });
 *
 * export const refund = defineSkill({
 *   id: "refund",
 *   version: "1",
 *   uses: [approvals({ manager: amount })],
 *   async run(step, { order, claimed }: { order: string; claimed: number }) {
 *     const { data } = await step.waitForApproval("manager", { show: { order, claimed } });
 *     return step.do("refund", async () => ({ order, refunded: data.amount }));
 *   },
 * });
 * ```
 *
 * @throws `invalid_definition` if a schema is none.
 */
export function approvals<const Schemas extends AnswerSchemas = Readonly<Record<never, Schema>>>(
  schemas?: Schemas,
): StepKind<ApprovalSteps<Schemas>> {
  const known = checkedSchemas(schemas ?? {});
  const schemaOf = (stepId: string) => getOwn<Schema>(known, partsOfStepId(stepId)[0]);
  return stepKind(
    "approvals",
    (run) => ({
      waitForApproval: (name: string, question: Question = {}) =>
        handled(async (): Promise<never> => {
          checkName(name);
          const { show = null } = given(question, questionKinds, name, name);
          const shown = encodeShown(show, `${name}.show`);
          const result = await take(run, name, "step.waitForApproval", (spec) =>
            takeApproval(run.pass, spec, shown, schemaOf(spec.id)),
          );
          const { approver, notes, decided_at, data } = answer<Recorded>(run, result);
          const decision = present({ approver: approver ?? undefined, notes: notes ?? undefined });
          return asAnswer({ ...decision, decidedAt: new Date(decided_at), data });
        }),
    }),
    {
      async checkData({ waits }, data) {
        const schema = schemaOf(waits[0]?.stepId ?? "");
        if (schema !== undefined) await validate(schema, data, "data");
      },
    },
  );
}

/** The output of the step. */
interface Recorded {
  readonly approver: string | null;
  readonly notes: string | null;
  readonly decided_at: string;
  readonly data?: unknown;
}

async function takeApproval(pass: Pass, spec: StepSpec, show: Json, schema: Schema | undefined): Promise<StepOutcome> {
  const gate = waitOf(pass.record, spec.id, "approval");
  if (gate?.decision === undefined) {
    const since = gate?.since ?? pass.host.clock.now();
    return ask(pass, spec, { kind: "approval", stepId: spec.id, since, reason: "approval", show });
  }
  const { approver = null, notes = null, at, data: sent } = gate.decision;
  const given = sent === undefined ? undefined : decodeValue(sent, "data");
  // What was approved before this version of the skill was never checked by its schema.
  const data = schema === undefined ? given : await validate(schema, given, "data");
  const encoded = present({ data: data === undefined ? undefined : encodeValue(data, "data", pass.host) });
  const output = { approver, notes, decided_at: at, ...encoded };
  return settle(pass, { ...begun(pass, spec), input: show }, "completed", output);
}

function encodeShown(show: unknown, path: string): Json {
  const encoded = encodeValue(show, path, bytesAtMost(maxShownBytes));
  if (utf8Length(jsonText(encoded)) <= maxShownBytes) return encoded;
  throw new DurableError("too_large", `${path}: at most ${maxShownBytes} bytes can be shown`, {
    path,
    hint: "show the part that the decision is about, or a link to the rest",
  });
}

function checkedSchemas(schemas: AnswerSchemas): AnswerSchemas {
  const path = "approvals";
  const all = read(path, () => ({ ...expectKind(schemas, aRecord, path) }), "invalid_definition");
  for (const [name, schema] of Object.entries(all)) {
    expectKind(schema, aSchema, `${path}.${name}`, "invalid_definition");
  }
  return Object.freeze(all);
}

// The types of the answers are those of the schemas, which have checked them.
function asAnswer(approval: AnsweredApproval): never {
  return approval as never;
}
