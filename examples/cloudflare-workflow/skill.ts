import { defineSkill, fromWorkflow } from "../../src/index.ts";
import { run } from "./order.ts";

export const order = defineSkill({ id: "order", version: "1", run: fromWorkflow(run) });
