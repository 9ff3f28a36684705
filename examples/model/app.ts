import { defineSkill } from "../../src/index.ts";
import { childRuns, type OutputStepContext, outputsWith, readOutputPage } from "../../src/steps.ts";
import { createPage } from "../../worker/browser/page.ts";
import { type Message, tasksIn, tokens } from "./model.ts";
import { element, show } from "./view.ts";

const outputs = outputsWith({ flushMs: 200 });

const task = defineSkill({
  id: "task",
  version: "1",
  uses: [outputs],
  run: (step, { text }: { text: string }, { runId }) =>
    step.do("turn 1", (context) => say(runId, [{ from: "person", text }], context)),
});

/** Asks the model until it asks for no further tasks. The tasks of a turn are runs of their own, side by side. */
const answer = defineSkill({
  id: "answer",
  version: "1",
  uses: [outputs, childRuns],
  async run(step, { question }: { question: string }, { runId }) {
    const messages: Message[] = [{ from: "person", text: question }];
    for (let turn = 1; ; turn++) {
      const text = await step.do(`turn ${turn}`, (context) => say(runId, messages, context));
      const asked = tasksIn(text);
      if (asked.length === 0) return text;
      const found = await Promise.all(asked.map((one) => step.run(`${turn}: ${one}`, task, { text: one })));
      messages.push({ from: "model", text }, ...found.map((text) => ({ from: "task", text }) as const));
    }
  },
});

/** Says a turn, token by token. After a reload it goes on behind what was flushed, and asks the model for the rest only. */
async function say(runId: string, messages: readonly Message[], { step, output, signal }: OutputStepContext) {
  let text = await saidBefore(runId, step.name);
  if (text !== "") await output.write(text);
  for await (const token of tokens(messages, text, signal)) {
    text += token;
    await output.write(token);
  }
  return text;
}

async function saidBefore(runId: string, step: string): Promise<string> {
  let [text, part, from] = ["", "", 0];
  for (;;) {
    const { items, next, isMore } = await readOutputPage(runs, runId, step, { from });
    for (const piece of items) {
      text = (piece.part === part ? text : "") + String(piece.chunk);
      part = piece.part;
    }
    if (!isMore) return text;
    from = next;
  }
}

const { runs } = createPage({ tenant: "me", skills: [answer, task], capabilities: [], database: "model" });

const form = element("form", document) as HTMLFormElement;
const list = element("main", document);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const question = String(new FormData(form).get("question"));
  const { run } = await runs.start(answer, { question }, { metadata: { question } });
  void show(runs, run.runId, question, list);
});
const { items } = await runs.list({ skillId: answer.id, limit: 20 });
for (const { runId, metadata } of items.toReversed()) void show(runs, runId, metadata.question, list);
