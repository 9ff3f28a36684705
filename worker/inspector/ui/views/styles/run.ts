/** One run: its head, its timeline, its events and its lineage. */
export const run = `
.crumbs { flex: none; padding: 10px 24px 0 18px; color: var(--soft) }
.crumbs a { display: inline-flex; align-items: center; gap: 3px; padding: 2px 6px 2px 2px; border-radius: 6px }
.crumbs a:hover { color: var(--ink) }
.crumbs .icon { width: 14px; height: 14px }
.about { display: grid; grid-template-columns: 1fr auto; align-items: center; gap: 8px 16px; flex: none; padding: 4px 24px 14px }
.about .title { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 10px; min-width: 0 }
.about h1 { font-size: 17px; line-height: 26px; font-weight: 600; letter-spacing: -.025em; overflow-wrap: anywhere }
.about .title .badge { margin-left: 4px }
.actions { display: flex; flex-wrap: wrap; gap: 6px }
.about .facts { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 6px 28px }
.about .facts div { display: flex; gap: 7px; min-width: 0 }
.about .facts dt { color: var(--faint) }
.about .facts dd { overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
.about .facts dd i { color: var(--faint) }
.about .facts a { text-decoration: underline; text-decoration-color: var(--edge); text-underline-offset: 3px }
.about .facts a:hover { text-decoration-color: currentColor }
.callout { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 10px 20px; flex: none; margin: 0 24px 12px; padding: 11px 16px; border: 1px solid color-mix(in oklab, var(--tone) 32%, var(--line)); border-left: 3px solid var(--tone); border-radius: 9px; background: color-mix(in oklab, var(--tone) 7%, var(--paper)) }
.callout h2 { font-weight: 600 }
.callout p { color: var(--soft); overflow-wrap: anywhere }
.callout .code { margin-left: 6px; padding: 1px 6px; border-radius: 5px; background: color-mix(in oklab, var(--tone) 12%, var(--paper)); color: var(--tone) }
.callout > div:first-child { min-width: 0; flex: 1 1 260px }
.callout a { text-decoration: underline; text-underline-offset: 3px }
.callout details { color: var(--soft); overflow-wrap: anywhere }
.callout summary { cursor: pointer }
.callout pre { max-height: 40dvh; margin-top: 6px; padding: 8px 10px; border: 1px solid var(--line); border-radius: 7px; background: var(--page); font-size: 12px; line-height: 18px; white-space: pre-wrap; overflow: auto; overflow-wrap: anywhere }
.shown { flex-basis: 100%; min-width: 0; max-height: 40dvh; overflow: auto }
dl.shown { display: grid; gap: 3px }
dl.shown div { display: grid; grid-template-columns: minmax(80px, 140px) minmax(0, 1fr); gap: 12px }
dl.shown dt { color: var(--soft); overflow-wrap: anywhere }
dl.shown dd { white-space: pre-wrap; overflow-wrap: anywhere }
.ticks { margin: 0; padding: 0; list-style: none; display: grid; gap: 3px; max-height: 22dvh }
.ticks li { display: flex; flex-wrap: wrap; gap: 2px 12px; overflow-wrap: anywhere }
.ticks time { color: var(--soft); font-variant-numeric: tabular-nums }
.panes { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(0, 1.45fr) minmax(340px, 1fr) }
.panes[data-tab=lineage] { grid-template-columns: 1fr }
.pane { min-width: 0; min-height: 0; display: flex; flex-direction: column }

.timeline { flex: 1; min-height: 0; display: flex; flex-direction: column; --names: 190px }
.axis, .step, .lines { display: grid; grid-template-columns: var(--names) 1fr }
.axis { flex: none; height: 48px; border-bottom: 1px solid var(--line) }
.corner { display: flex; align-items: center; gap: 8px; padding: 0 8px 0 24px; color: var(--soft); font-size: 12.5px; white-space: nowrap }
.switch { display: inline-flex; margin-left: auto; border: 1px solid var(--line); border-radius: 6px; overflow: hidden }
.switch button { min-height: 22px; padding: 0 7px; border: 0; border-radius: 0; box-shadow: none; background: none; font-size: 11.5px; color: var(--soft) }
.switch button[aria-pressed=true] { background: var(--hover); color: var(--ink) }
.track { position: relative; margin: 0 28px 0 8px; min-width: 0 }
.tick { position: absolute; top: 6px; padding-left: 5px; border-left: 1px solid var(--edge); height: 16px; color: var(--faint); font-size: 11.5px; line-height: 16px; white-space: nowrap; font-variant-numeric: tabular-nums }
.tick[data-late] { padding: 0 5px 0 0; border-left: 0; border-right: 1px solid var(--edge); transform: translateX(-100%) }
.checkpoint { position: absolute; bottom: 8px; width: 9px; height: 9px; margin-left: -4.5px; transform: rotate(45deg); border: 1.5px solid var(--accent); border-radius: 2px; background: var(--paper); cursor: pointer }
.checkpoint::after { content: ""; position: absolute; inset: -6px }
.checkpoint[data-many] { background: color-mix(in oklab, var(--accent) 35%, var(--paper)) }
.checkpoint[data-chosen] { background: var(--accent); box-shadow: 0 0 0 3px color-mix(in oklab, var(--accent) 25%, transparent); z-index: 1 }
.steps { position: relative; flex: 1; min-height: 120px; overflow: auto; overscroll-behavior: contain }
.steps .space { min-height: 100% }
.lines { position: absolute; inset: 0; pointer-events: none }
.lines .track { grid-column: 2 }
.lines .chosen, .lines .moment { position: absolute; top: 0; bottom: 0; width: 0; border-left: 1px dashed var(--edge) }
.lines .chosen { border-left: 1.5px solid var(--accent); z-index: 1 }
.lines .moment[data-type="run.failed"], .lines .moment[data-type="run.undoing"], .lines .moment[data-type="run.canceled"], .lines .moment[data-type="run.denied"] { border-color: var(--red) }
.lines .moment[data-type="run.approved"], .lines .moment[data-type="run.resumed"] { border-color: var(--green) }
.fold { position: absolute; top: 0; bottom: 0; background: repeating-linear-gradient(135deg, transparent 0 5px, color-mix(in oklab, var(--edge) 35%, transparent) 5px 6px); border-inline: 1px dotted var(--edge) }
.fold b { position: absolute; left: 50%; bottom: 8px; transform: translateX(-50%); padding: 0 5px; border-radius: 4px; background: var(--paper); color: var(--faint); font-size: 11px; font-weight: 500; white-space: nowrap }
.step { position: absolute; top: 0; left: 0; right: 0; contain: strict; align-items: center; cursor: pointer }
.step:hover { background: color-mix(in oklab, var(--hover) 70%, transparent) }
.step[aria-selected=true] { background: color-mix(in oklab, var(--accent-wash) 75%, transparent) }
.step[data-active] { box-shadow: inset 3px 0 var(--accent) }
.step .name { display: flex; align-items: center; gap: 8px; min-width: 0; padding-left: 24px }
.step .name b { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-weight: 500 }
.step .name small { color: var(--amber); font-size: 12px; font-variant-numeric: tabular-nums }
.step .name small.items { color: var(--soft); white-space: nowrap }
.step[data-map] .name b::before { content: "▸ " / "" }
.step[data-map][aria-expanded="true"] .name b::before { content: "▾ " / "" }
.step[data-item] .name { padding-left: 40px }
.step[data-undone] .name b { text-decoration: line-through }
.step .track { height: 100% }
.bar { --shade: var(--bar-green); position: absolute; top: 50%; height: 14px; min-width: 4px; margin-top: -7px; border-radius: 4px; background: var(--shade) }
.bar[data-kind=failed] { --shade: var(--bar-red) }
.bar[data-kind=skipped] { --shade: var(--gray) }
.bar[data-kind=now] { --shade: var(--blue); background: linear-gradient(90deg, color-mix(in oklab, var(--shade) 55%, var(--paper)), var(--shade)); animation: breathe 1.8s ease-in-out infinite }
.bar[data-kind=backoff], .bar[data-kind=sleep], .bar[data-kind=approval], .bar[data-kind=signal] { height: 8px; margin-top: -4px; border-radius: 2px; background: repeating-linear-gradient(135deg, color-mix(in oklab, var(--shade) 60%, var(--paper)) 0 3px, color-mix(in oklab, var(--shade) 18%, var(--paper)) 3px 6px) }
.bar[data-kind=backoff] { --shade: var(--bar-red) }
.bar[data-kind=sleep] { --shade: var(--gray) }
.bar[data-kind=approval] { --shade: var(--amber) }
.bar[data-kind=signal] { --shade: var(--violet) }
.mark { position: absolute; top: 50%; width: 16px; height: 16px; margin: -8px 0 0 -8px; border-radius: 50%; background: var(--paper); box-shadow: 0 0 0 1px var(--violet); color: var(--violet); font-size: 10px; line-height: 16px; text-align: center; z-index: 1 }
.mark .icon { display: block; width: 10px; height: 10px; margin: 3px; stroke-width: 1.8 }
.took { position: absolute; top: 50%; margin: -10px 8px 0 12px; color: var(--faint); font-size: 12px; white-space: nowrap; pointer-events: none; text-shadow: 0 0 3px var(--paper), 0 0 3px var(--paper) }
.say { position: absolute; top: 50%; margin-top: -10px; color: var(--faint); font-size: 12px }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; flex: none; padding: 9px 24px; border-top: 1px solid var(--line); color: var(--soft); font-size: 12px }
.legend span { display: inline-flex; align-items: center; gap: 6px }
.legend .bar, .legend .mark, .legend .checkpoint { position: static; margin: 0; flex: none; cursor: default }
.legend .bar { width: 18px }
.legend .checkpoint { margin: 0 2px }

.events { position: relative; flex: 1; min-height: 200px; overflow: auto; overscroll-behavior: contain }
.event { position: absolute; top: 0; left: 0; right: 0; contain: strict; display: grid; grid-template-columns: 98px 190px minmax(0, 1fr); align-items: center; gap: 12px; height: 30px; padding: 0 24px; cursor: pointer; white-space: nowrap }
.event:hover { background: var(--hover) }
.event[data-active] { background: var(--accent-wash); box-shadow: inset 3px 0 var(--accent) }
.event time { color: var(--faint); font-size: 12px; font-variant-numeric: tabular-nums }
.event b { font-weight: 550 }
.event span { overflow: hidden; text-overflow: ellipsis; color: var(--soft) }
.event[data-family=run] b { color: var(--blue) }
.event[data-family=checkpoint] b { color: var(--accent) }
.event[data-family=signal] b, .event[data-family=side_effect] b { color: var(--violet) }
.event[data-type$=failed] b, .event[data-type$=canceled] b, .event[data-type$=denied] b { color: var(--red) }
.event[data-type$=retry_scheduled] b, .event[data-type="run.waiting_for_human"] b { color: var(--amber) }
.event[data-type="run.completed"] b { color: var(--green) }

.lineage { flex: 1; min-height: 0; padding: 18px 24px; overflow: auto }
.lineage .against { margin-bottom: 18px; color: var(--soft) }
.lineage svg { display: block; overflow: visible }
.kin rect { fill: var(--raised); stroke: var(--edge); transition: stroke .12s }
.kin:hover rect { stroke: var(--accent) }
.kin:focus-visible { outline: none }
.kin:focus-visible rect { stroke: var(--accent); stroke-width: 2.5 }
.kin[data-own] rect { fill: var(--accent-wash); stroke: var(--accent); stroke-width: 1.5 }
.kin[data-missing] rect { stroke-dasharray: 4 3; fill: none }
.kin .dot { fill: var(--tone) }
.kin text { fill: var(--ink); font-size: 12px }
.kin text.id { font-family: var(--mono); font-size: 12.5px; font-weight: 550 }
.kin text.sub { fill: var(--soft) }
.kin text.end { text-anchor: end }
.kinship { fill: none; stroke: var(--edge); stroke-width: 1.5 }
.from { fill: var(--faint); font-family: var(--mono); font-size: 10.5px; text-anchor: end }
@container inspector (max-width: 980px) {
  main.run { overflow: auto }
  .panes, .panes[data-tab=lineage] { display: block; flex: none }
  .timeline { min-height: 240px }
  .steps, .events { max-height: 58dvh }
  .events { min-height: 58dvh }
  .lineage { min-height: 320px }
}
@container inspector (max-width: 720px) {
  /* What can be decided comes before what can be done besides. */
  .about { display: contents }
  .about .title { padding: 4px 12px 10px }
  .callout { order: 1 }
  .callout .actions { flex: 1 1 100% }
  .callout .actions button { flex: 1 }
  .about > .actions { order: 2; padding: 0 12px 10px }
  .about .facts { order: 3; padding: 0 12px 12px }
  main.run > .strip { order: 1 }
  main.run > .tabs { order: 4 }
  main.run > .panes { order: 5 }
  .crumbs { padding: 8px 12px 0 8px }
  .about h1 { font-size: 15px; line-height: 22px }
  .about .actions button { padding: 0 9px; font-size: 13px }
  .about .facts { gap: 4px 18px }
  .callout { margin: 0 12px 12px }
  .tabs { padding: 0 6px }
  .timeline { --names: 118px }
  .corner, .step .name { padding-left: 12px }
  .corner .switch { display: none }
  .track { margin-right: 18px }
  .legend { padding: 9px 12px }
  .event { grid-template-columns: 88px 1fr; padding: 0 12px }
  .event span { display: none }
  .lineage { padding: 14px 12px }
}
`;
