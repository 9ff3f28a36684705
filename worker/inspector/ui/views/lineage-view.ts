import { type HierarchyNode, type HierarchyPointNode, hierarchy, tree } from "d3-hierarchy";
import { html, nothing, type SVGTemplateResult, svg, type TemplateResult } from "lit/html.js";
import type { Inspector } from "../state/inspector.ts";
import { hashOf } from "../state/route.ts";
import type { RunPage } from "../state/run-page.ts";
import { statusNames } from "../state/status.ts";
import type { LineageAnswer, LineageNode } from "../state/wire.ts";
import { errorNote } from "./error-note.ts";
import { age, plural, shortId } from "./format.ts";

const box = { width: 218, height: 58 };
const gap = { across: 86, down: 18 };
/** Below this width the tree grows downwards, with each run below its source. */
const narrow = 720;
const indent = 26;

/** The run with its ancestors and descendants, drawn as a tree. */
export function lineageView({ app, lineage }: RunPage): TemplateResult {
  const { answer, problem } = lineage;
  if (problem !== undefined) return html`<div class="strip">${errorNote(problem)}</div>`;
  if (answer === undefined) return html`<div class="empty small" role="status">Loading the lineage…</div>`;
  queueMicrotask(() => lineage.refresh());
  const { ancestors, descendants, has_more: hasMore } = answer;
  const isNarrow = app.root.host.clientWidth < narrow;
  const root = isNarrow ? downwards(answer) : layout(answer);
  const nodes = root.descendants();
  const top = Math.min(...nodes.map(({ x }) => x));
  const height = Math.max(...nodes.map(({ x }) => x)) - top + box.height;
  const width = Math.max(...nodes.map(({ y }) => y)) + box.width;
  return html`<div class="lineage" tabindex="0" data-scroll role="region" aria-label="Lineage">
    <p class="against">${
      nodes.length === 1
        ? "This run has no ancestors and no descendants. Replays and forks of it appear here."
        : [
            ...(ancestors.length > 0 ? [`It has ${plural(ancestors.length, "ancestor")}.`] : []),
            ...(descendants.length > 0 ? [`It has ${plural(descendants.length, "descendant")}.`] : []),
            ...(hasMore ? ["Not all runs are shown."] : []),
          ].join(" ")
    }</p>
    <svg width=${width + 2} height=${height + 2} viewBox="-1 ${top - 1} ${width + 2} ${height + 2}" role="group" aria-label="Tree of runs">
      ${root.links().map(({ source, target }) => (isNarrow ? elbow(source, target) : link(source, target)))}
      ${nodes.map((node) => kin(app, lineage.runId, node))}
    </svg>
  </div>`;
}

function kin(app: Inspector, runId: string, { data, x, y }: HierarchyPointNode<LineageNode>): SVGTemplateResult {
  const { run_id: id, status, kind, skill_id: skill, created_at: created, is_missing: isMissing } = data;
  const isOwn = id === runId;
  const words = isMissing
    ? "deleted"
    : `${status === null ? "" : statusNames[status]}${created === null ? "" : ` · ${age(app.now - Date.parse(created))}`}`;
  // The name starts with the visible text, so that voice control can find it.
  const name = `${shortId(id, 22)} ${words} ${kind ?? ""}${isOwn ? ", this run" : ""}`;
  const body = svg`<rect x=".5" y=".5" width=${box.width - 1} height=${box.height - 1} rx="9"></rect>
    <circle cx="17" cy="20" r="4.5" class="dot" data-status=${status ?? "canceled"}></circle>
    <text x="30" y="24" class="id">${shortId(id, 22)}</text>
    <text x="14" y="44" class="sub">${words}</text>
    <text x=${box.width - 12} y="44" class="sub end">${kind ?? ""}</text>`;
  const title = svg`<title>${id}${skill === null ? "" : `\n${skill}`}</title>`;
  const place = `translate(${y} ${x})`;
  if (isMissing)
    return svg`<g class="kin" data-missing transform=${place} aria-label=${name} role="img">${title}${body}</g>`;
  return svg`<a class="kin" ?data-own=${isOwn} transform=${place} href=${hashOf({ page: "run", runId: id, tab: isOwn ? "timeline" : "lineage" })} aria-label=${name} aria-current=${isOwn ? "true" : nothing}>${title}${body}</a>`;
}

function family({ run, ancestors, descendants }: LineageAnswer): HierarchyNode<LineageNode> {
  const children = new Map<string, LineageNode[]>();
  const line = [...ancestors].reverse();
  for (const [index, node] of line.entries()) children.set(node.run_id, [line[index + 1] ?? run]);
  for (const node of descendants) {
    const source = node.source_run_id ?? run.run_id;
    children.set(source, [...(children.get(source) ?? []), node]);
  }
  return hierarchy<LineageNode>(line[0] ?? run, ({ run_id: id }) => children.get(id));
}

function layout(answer: LineageAnswer): HierarchyPointNode<LineageNode> {
  const size: [number, number] = [box.height + gap.down, box.width + gap.across];
  return tree<LineageNode>()
    .nodeSize(size)
    .separation(() => 1)(family(answer));
}

function downwards(answer: LineageAnswer): HierarchyPointNode<LineageNode> {
  const root = layout(answer);
  let row = 0;
  // As in the layout, x is the vertical axis here.
  root.eachBefore((node) => {
    node.x = row++ * (box.height + gap.down);
    node.y = node.depth * indent;
  });
  return root;
}

function elbow(source: HierarchyPointNode<LineageNode>, target: HierarchyPointNode<LineageNode>): SVGTemplateResult {
  const [x, y] = [source.y + indent / 2, target.x + box.height / 2];
  return svg`<path class="kinship" d="M${x} ${source.x + box.height}V${y - 8}q0 8 8 8H${target.y}"></path>`;
}

function link(source: HierarchyPointNode<LineageNode>, target: HierarchyPointNode<LineageNode>): SVGTemplateResult {
  const [fromX, fromY] = [source.y + box.width, source.x + box.height / 2];
  const [toX, toY] = [target.y, target.x + box.height / 2];
  const middle = (fromX + toX) / 2;
  const { checkpoint_id: checkpoint } = target.data;
  return svg`<path class="kinship" d="M${fromX} ${fromY}C${middle} ${fromY} ${middle} ${toY} ${toX} ${toY}"></path>
    ${checkpoint === null ? nothing : svg`<text class="from" x=${toX - 8} y=${toY + (toY > fromY ? 15 : -7)}>${shortId(checkpoint, 12)}<title>from the checkpoint ${checkpoint}</title></text>`}`;
}
