/** The checkpoint beside the timeline. */
export const panel = `
.panel { display: flex; flex-direction: column; min-width: 0; min-height: 0; border-left: 1px solid var(--line); background: var(--paper) }
.scrubber { display: flex; align-items: center; gap: 6px; flex: none; height: 48px; padding: 0 16px 0 10px; border-bottom: 1px solid var(--line) }
.scrubber input { flex: 1; min-width: 0; height: 24px; margin: 0; cursor: pointer }
.scrubber .number { min-width: 52px; color: var(--soft); font-size: 12.5px; text-align: right }
.which { display: flex; flex-direction: column; gap: 4px; flex: none; padding: 12px 18px 12px }
.which h2 { font-size: 14.5px; font-weight: 600 }
.which h2 .mono { font-weight: 550; color: var(--accent) }
.which p { display: flex; align-items: center; gap: 10px; min-width: 0; color: var(--soft); font-size: 12.5px; font-variant-numeric: tabular-nums }
.which .id { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.which p button { flex: none; margin: -4px -6px }
.which .actions { margin-top: 6px }
.panel > .problem { margin: 0 18px 12px }
.panel .body { flex: 1; min-height: 0; display: flex; flex-direction: column; transition: opacity .15s }
.panel .body[data-late] { opacity: .55; transition-delay: .3s }
.tree { position: relative; flex: 1; min-height: 0; margin: 6px 0; overflow: auto; overscroll-behavior: contain }
.node { position: absolute; top: 0; left: 0; right: 0; contain: strict; display: flex; align-items: center; gap: 6px; height: 25px; padding-right: 12px; font: 12.5px/25px var(--mono); white-space: nowrap; cursor: pointer }
.node:hover { background: var(--hover) }
.node[data-active] { background: var(--accent-wash) }
.node[data-changed] { box-shadow: inset 3px 0 var(--accent) }
.twist { flex: none; width: 14px; height: 14px }
.twist:not([data-none])::before { content: ""; display: block; width: 5px; height: 5px; margin: 4px 0 0 3px; border: solid var(--soft); border-width: 0 1.5px 1.5px 0; transform: rotate(-45deg); transition: transform .1s }
.twist[data-open]::before { transform: rotate(45deg); margin-top: 3px }
.node .key { flex: none; max-width: 60%; overflow: hidden; text-overflow: ellipsis; color: var(--ink) }
.node .key::after { content: ":"; color: var(--faint) }
.node .value { min-width: 0; overflow: hidden; text-overflow: ellipsis; color: var(--soft) }
.node .value[data-kind=string] { color: var(--green) }
.node .value[data-kind=number] { color: var(--blue) }
.node .value[data-kind=boolean], .node .value[data-kind=null] { color: var(--violet) }
.node .value[data-kind=tag] { color: var(--amber) }
.whole { margin-left: auto; flex: none; width: 22px !important; min-height: 22px !important; opacity: 0 }
.whole .icon { width: 13px; height: 13px }
.node:hover .whole, .node[data-active] .whole, .change:hover .whole, .whole:focus-visible { opacity: 1 }
.diff, .about-body { flex: 1; min-height: 0; padding: 12px 18px 18px; overflow: auto; overscroll-behavior: contain }
.against { color: var(--soft); font-size: 12.5px; overflow-wrap: anywhere }
.more { margin-top: 12px; width: 100% }
.change { margin-top: 10px; border: 1px solid var(--line); border-radius: 8px; overflow: hidden }
.change .path { display: flex; align-items: center; gap: 8px; min-height: 30px; padding: 3px 6px 3px 10px; background: var(--page); border-bottom: 1px solid var(--line); overflow-wrap: anywhere }
.change .path i { flex: none; width: 12px; font: 600 13px/1 var(--mono); text-align: center; color: var(--amber) }
.change[data-op=add] .path i { color: var(--green) }
.change[data-op=remove] .path i { color: var(--red) }
.change code { color: var(--soft) }
.change code b { color: var(--ink) }
.change code s { margin: 0 4px; color: var(--faint); text-decoration: none }
.change pre { padding: 6px 12px 6px 30px; font-size: 12px; line-height: 18px; white-space: pre-wrap; overflow-wrap: anywhere; position: relative }
.change pre::before { position: absolute; left: 10px; width: 12px; text-align: center }
.change pre[data-side=before] { background: var(--remove) }
.change pre[data-side=before]::before { content: "−"; color: var(--red) }
.change pre[data-side=after] { background: var(--add) }
.change pre[data-side=after]::before { content: "+"; color: var(--green) }
.about-body h3 { margin: 14px 0 6px; color: var(--soft); font-size: 12.5px; font-weight: 600 }
.about-body h3:first-child { margin-top: 0 }
.output { flex: 1; min-height: 0; padding: 12px 18px 18px; display: flex; flex-direction: column-reverse; overflow: auto; overscroll-behavior: contain }
.output > div { min-width: 0; margin-bottom: auto }
.output select { max-width: 100% }
.output h3 { margin: 14px 0 6px; color: var(--soft); font-size: 12.5px; font-weight: 600 }
.output time { color: var(--faint); font-size: 12px; font-weight: 400; font-variant-numeric: tabular-nums }
.chunks { padding: 8px 10px; border: 1px solid var(--line); border-radius: 7px; background: var(--page); font-size: 12.5px; line-height: 19px; white-space: pre-wrap; overflow-wrap: anywhere }
.chunks .value { display: block; color: var(--soft) }
.published { display: grid; gap: 3px; margin: 6px 0 0; padding: 0; list-style: none }
.published li { display: grid; grid-template-columns: 98px minmax(0, 1fr); gap: 10px; align-items: baseline }
.published code { overflow-wrap: anywhere }
.sheet { display: grid; gap: 5px }
.sheet div { display: grid; grid-template-columns: 104px minmax(0, 1fr); gap: 10px }
.sheet dt { color: var(--faint) }
.sheet dd { overflow-wrap: anywhere }
.sheet pre { padding: 8px 10px; border: 1px solid var(--line); border-radius: 7px; background: var(--page); font-size: 12px; line-height: 18px; white-space: pre-wrap; overflow-wrap: anywhere }
@container inspector (max-width: 980px) {
  .panel { border-left: 0; border-top: 1px solid var(--line) }
  .panel .body { height: 62dvh; flex: none }
  .node { height: 25px }
}
@container inspector (max-width: 720px) {
  .which { padding: 12px }
  .diff, .about-body, .output { padding: 12px }
  .whole { opacity: 1 }
  .node .ghosted { min-height: 24px }
}
`;
