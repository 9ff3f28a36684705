import { html, nothing, type SVGTemplateResult, svg, type TemplateResult } from "lit/html.js";
import type { Inspector } from "../state/inspector.ts";
import { type Kin, lineageTree } from "../state/lineage-tree.ts";
import { hashOf } from "../state/route.ts";
import type { RunPage } from "../state/run-page.ts";
import { statusNames } from "../state/status.ts";
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
  const places = placed(lineageTree(answer), isNarrow);
  const nodes = [...places.values()];
  const height = Math.max(...nodes.map(({ y }) => y)) + box.height;
  const width = Math.max(...nodes.map(({ x }) => x)) + box.width;
  return html`<div class="lineage" tabindex="0" data-scroll role="region" aria-label="Lineage">
    <p class="against">${
      nodes.length === 1
        ? "This run has no ancestors and no descendants. Replays, forks and child runs of it appear here."
        : [
            ...(ancestors.length > 0 ? [`It has ${plural(ancestors.length, "ancestor")}.`] : []),
            ...(descendants.length > 0 ? [`It has ${plural(descendants.length, "descendant")}.`] : []),
            ...(hasMore ? ["Not all runs are shown."] : []),
          ].join(" ")
    }</p>
    <svg width=${width + 2} height=${height + 2} viewBox="-1 -1 ${width + 2} ${height + 2}" role="group" aria-label="Tree of runs">
      ${nodes.map((node) => {
        const source = node.source && places.get(node.source);
        return source === undefined ? nothing : isNarrow ? elbow(source, node) : link(source, node);
      })}
      ${nodes.map((node) => kin(app, lineage.runId, node))}
    </svg>
  </div>`;
}

function kin(app: Inspector, runId: string, { data, x, y }: Placed): SVGTemplateResult {
  const { run_id: id, status, kind, skill_id: skill, created_at: created, is_missing: isMissing } = data;
  const isOwn = id === runId;
  const words = isMissing
    ? "deleted"
    : `${status === null ? "" : statusNames[status]}${created === null ? "" : ` · ${age(app.now - Date.parse(created))}`}`;
  // The name starts with the visible text, so that voice control can find it.
  const relation = kind ?? (data.parent_run_id === undefined ? "" : "child");
  const name = `${shortId(id, 22)} ${words} ${relation}${isOwn ? ", this run" : ""}`;
  const body = svg`<rect x=".5" y=".5" width=${box.width - 1} height=${box.height - 1} rx="9"></rect>
    <circle cx="17" cy="20" r="4.5" class="dot" data-status=${status ?? "canceled"}></circle>
    <text x="30" y="24" class="id">${shortId(id, 22)}</text>
    <text x="14" y="44" class="sub">${words}</text>
    <text x=${box.width - 12} y="44" class="sub end">${relation}</text>`;
  const title = svg`<title>${id}${skill === null ? "" : `\n${skill}`}</title>`;
  const place = `translate(${x} ${y})`;
  if (isMissing)
    return svg`<g class="kin" data-missing transform=${place} aria-label=${name} role="img">${title}${body}</g>`;
  return svg`<a class="kin" ?data-own=${isOwn} transform=${place} href=${hashOf({ page: "run", runId: id, tab: isOwn ? "timeline" : "lineage" })} aria-label=${name} aria-current=${isOwn ? "true" : nothing}>${title}${body}</a>`;
}

/** A run in the tree, and the place of its box. */
interface Placed extends Kin {
  readonly x: number;
  readonly y: number;
}

/** The places of the runs: each beside its source or, if there is little room, below it. */
function placed(tree: readonly Kin[], isNarrow: boolean): ReadonlyMap<Kin, Placed> {
  const across = isNarrow ? indent : box.width + gap.across;
  const places = tree.map((kin, index): [Kin, Placed] => {
    const row = isNarrow ? index : kin.row;
    return [kin, { ...kin, x: kin.depth * across, y: row * (box.height + gap.down) }];
  });
  return new Map(places);
}

function elbow(source: Placed, target: Placed): SVGTemplateResult {
  const [x, y] = [source.x + indent / 2, target.y + box.height / 2];
  return svg`<path class="kinship" d="M${x} ${source.y + box.height}V${y - 8}q0 8 8 8H${target.x}"></path>`;
}

function link(source: Placed, target: Placed): SVGTemplateResult {
  const [fromX, fromY] = [source.x + box.width, source.y + box.height / 2];
  const [toX, toY] = [target.x, target.y + box.height / 2];
  const middle = (fromX + toX) / 2;
  const from = (text: string, title: string) =>
    svg`<text class="from" x=${toX - 8} y=${toY + (toY > fromY ? 15 : -7)}>${text}<title>${title}</title></text>`;
  const { checkpoint_id: checkpoint, parent_step_id: step } = target.data;
  return svg`<path class="kinship" d="M${fromX} ${fromY}C${middle} ${fromY} ${middle} ${toY} ${toX} ${toY}"></path>
    ${checkpoint !== null ? from(shortId(checkpoint, 12), `from the checkpoint ${checkpoint}`) : step !== undefined ? from(shortId(step, 12), `started by the step ${step}`) : nothing}`;
}
