import type { Action } from "./dialogs.ts";
import { fieldText, jsonObjectOf, jsonOf, optional } from "./form.ts";
import type { Inspector } from "./inspector.ts";

/**
 * Performs the action of a dialog, shows its outcome, and resolves with a message.
 *
 * @throws FieldError if a field has an invalid value.
 */
export async function perform(
  app: Inspector,
  action: Action,
  data: FormData,
  idempotencyKey: () => string,
): Promise<string> {
  const { service } = app;
  const show = (runId: string) => app.go({ page: "run", runId, tab: "timeline" });
  switch (action.kind) {
    case "start": {
      const inputs = jsonObjectOf(data, "inputs");
      const body = { skill_id: fieldText(data, "skill_id"), inputs, ...optional(data, "run_id") };
      show((await service.create(body, { idempotencyKey: idempotencyKey() })).run_id);
      return "The run was started.";
    }
    case "resume": {
      const { runId, checkpointId } = action;
      const call = { idempotencyKey: idempotencyKey() };
      app.took((await service.resume(runId, { checkpoint_id: checkpointId }, call)).run);
      const { route } = app;
      // Show the checkpoints that follow.
      app.go({ page: "run", runId, tab: route.page === "run" ? route.tab : "timeline" }, "replace");
      return "The run was resumed.";
    }
    case "replay": {
      const body = { checkpoint_id: action.checkpointId, ...optional(data, "run_id") };
      show((await service.replay(action.runId, body, { idempotencyKey: idempotencyKey() })).run.run_id);
      return "The replay was started.";
    }
    case "fork": {
      const edit = {
        ...(data.get("inputs") === action.inputs ? {} : { inputs: jsonObjectOf(data, "inputs") }),
        ...(data.get("vars") === action.vars ? {} : { vars: jsonObjectOf(data, "vars") }),
      };
      const body = {
        checkpoint_id: action.checkpointId,
        ...optional(data, "run_id"),
        ...(Object.keys(edit).length === 0 ? {} : { edit }),
      };
      show((await service.fork(action.runId, body, { idempotencyKey: idempotencyKey() })).run.run_id);
      return "The fork was created. Resume it to start it.";
    }
    case "approve":
    case "deny": {
      const { kind, runId, stepId } = action;
      const body = { ...optional(data, "approver"), ...optional(data, "notes"), step_id: stepId };
      const call = { idempotencyKey: idempotencyKey() };
      // A rejected answer leaves no claim, so it can be corrected under the same key.
      const answer = fieldText(data, "data").trim() === "" ? {} : { data: jsonOf(data, "data") };
      if (kind === "approve") app.took((await service.approve(runId, { ...body, ...answer }, call)).run);
      else app.took(await service.deny(runId, body, call));
      return kind === "deny" ? "Denied. The run is canceled." : "Approved. The run continues.";
    }
    case "signal": {
      const body = { name: fieldText(data, "name"), payload: jsonOf(data, "payload") };
      app.took(await service.signal(action.runId, body, { idempotencyKey: idempotencyKey() }));
      return "The signal was sent.";
    }
    case "cancel":
      app.took(await service.cancel(action.runId));
      return "The run was canceled.";
    case "delete":
      await service.delete(action.runId);
      app.erased(action.runId);
      app.go({ page: "runs" });
      return "The run was deleted.";
  }
}
