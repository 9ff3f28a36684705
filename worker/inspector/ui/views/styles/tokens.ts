/** Colors, type and the controls that all views share. */
export const tokens = `
:host {
  color-scheme: light dark;
  --paper: light-dark(#ffffff, #0e1116);
  --page: light-dark(#f6f7f9, #090b0f);
  --raised: light-dark(#ffffff, #161a21);
  --hover: light-dark(#f1f3f6, #171b22);
  --line: light-dark(#e3e6eb, #232933);
  --edge: light-dark(#cfd4dc, #343c49);
  --ink: light-dark(#14181f, #e8ebf0);
  --soft: light-dark(#586171, #9aa4b4);
  --faint: light-dark(#616b7b, #8d97a7);
  --accent: light-dark(#0b6b78, #4cc3d3);
  --on-accent: light-dark(#ffffff, #06232a);
  --accent-wash: light-dark(#e5f3f5, #10272d);
  --blue: light-dark(#1d5fd1, #78a9ff);
  --green: light-dark(#157a42, #5cc98a);
  --red: light-dark(#c22f2f, #ff8480);
  --amber: light-dark(#96590a, #f0b45c);
  --violet: light-dark(#6c45c4, #b79cff);
  --bar-green: light-dark(#35a26c, #3f9e6f);
  --bar-red: light-dark(#dd5a55, #d9605b);
  --gray: light-dark(#626c7b, #96a0b0);
  --add: light-dark(#e6f5ec, #10271b);
  --remove: light-dark(#fcebea, #321818);
  --shadow: 0 1px 2px rgb(0 0 0 / .05);
  --mono: ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace;
  display: block;
  height: 100%;
  min-height: 380px;
  container: inspector / inline-size;
  overflow: hidden;
}
:host([hidden]) { display: none }
*, *::before, *::after { box-sizing: border-box }
h1, h2, h3, p, dl, dd, ul, pre { margin: 0; padding: 0; font: inherit }
ul { list-style: none }
b { font-weight: 600 }
i { font-style: normal }
a { color: inherit; text-decoration: none }
.mono, code, pre, kbd, textarea.mono { font-family: var(--mono); font-size: .93em; letter-spacing: -.01em }
.number { font-variant-numeric: tabular-nums }
.end { text-align: right }
.gap { flex: 1 }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.icon { width: 16px; height: 16px; flex: none; fill: none; stroke: currentColor; stroke-width: 1.4; stroke-linecap: round; stroke-linejoin: round }
.glyph { width: 16px; height: 16px; flex: none }
.glyph .ink { fill: none; stroke: var(--paper); stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round }
.glyph .spin { transform-origin: 8px 8px; animation: spin 1.1s linear infinite }
@keyframes spin { to { transform: rotate(1turn) } }
h1:focus { outline: none }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
[role=grid]:focus-visible, [role=tree]:focus-visible, [data-scroll]:focus-visible, .diff:focus-visible, .about-body:focus-visible { outline-offset: -2px }

[data-status=pending] { --tone: var(--gray) }
[data-status=running] { --tone: var(--blue) }
[data-status=replaying] { --tone: var(--blue) }
[data-status=waiting_for_human] { --tone: var(--amber) }
[data-status=waiting_for_signal] { --tone: var(--violet) }
[data-status=completed] { --tone: var(--green) }
[data-status=failed] { --tone: var(--red) }
[data-status=canceled] { --tone: var(--gray) }
.glyph[data-status] { color: var(--tone) }
.badge { display: inline-flex; align-items: center; gap: 7px; color: var(--tone); font-weight: 550; white-space: nowrap }

button, .button, select, input, textarea { font: inherit; color: inherit; letter-spacing: inherit }
button, .button {
  display: inline-flex; align-items: center; justify-content: center; gap: 6px; min-height: 30px; padding: 0 11px; border: 1px solid var(--edge);
  border-radius: 7px; background: var(--raised); font-weight: 550; white-space: nowrap; cursor: pointer; box-shadow: var(--shadow);
  transition: background .12s, border-color .12s;
}
button:hover:not(:disabled), .button:hover { background: var(--hover) }
button:disabled { opacity: .45; cursor: not-allowed; box-shadow: none }
button .icon { margin-left: -2px; color: var(--soft) }
button.primary { border-color: transparent; background: var(--accent); color: var(--on-accent) }
button.primary:hover:not(:disabled) { background: color-mix(in oklab, var(--accent) 88%, var(--ink)) }
button.primary .icon { color: inherit }
button.danger, button.danger .icon { color: var(--red) }
button.primary.danger { background: light-dark(#c22f2f, #c23a36); color: #fff }
button.primary.danger:hover:not(:disabled) { background: light-dark(#a92626, #ad312d) }
button.plain { border-color: transparent; background: none; box-shadow: none; color: var(--accent); padding: 0 6px }
button.ghosted { min-height: 28px; width: 28px; padding: 0; border-color: transparent; background: none; box-shadow: none; color: var(--soft) }
button.ghosted .icon { margin: 0 }
button.ghosted:hover:not(:disabled) { background: var(--hover); color: var(--ink) }
select, input:not([type=range], [type=checkbox]), textarea {
  min-height: 32px; width: 100%; padding: 5px 10px; border: 1px solid var(--edge); border-radius: 7px; background: var(--raised);
}
select { width: auto; max-width: 220px; padding-right: 6px; cursor: pointer }
select[data-set] { border-color: var(--accent); background: var(--accent-wash) }
input::placeholder, textarea::placeholder { color: var(--faint); opacity: 1 }
textarea { display: block; resize: vertical; line-height: 19px }
input[type=range], input[type=checkbox] { accent-color: var(--accent) }
[aria-invalid=true] { border-color: var(--red) !important }
kbd { display: inline-block; min-width: 19px; padding: 0 5px; border: 1px solid var(--line); border-bottom-color: var(--edge); border-radius: 5px; background: var(--paper); color: var(--soft); font-size: 11px; line-height: 17px; text-align: center }
kbd .icon { width: 11px; height: 11px; vertical-align: -1.5px }
.check { display: inline-flex; align-items: center; gap: 6px; color: var(--soft); font-size: 12.5px; cursor: pointer }
.check input { margin: 0 }

/* Not on the host, where the rules of the page around it win. */
.app {
  position: relative; display: flex; flex-direction: column; height: 100%; text-align: start;
  background: var(--page);
  color: var(--ink);
  font: 400 13.5px/20px ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Open Sans", Arial, sans-serif;
  font-synthesis: none;
  -webkit-font-smoothing: antialiased;
  text-size-adjust: 100%;
}
.top { display: flex; align-items: center; gap: 8px; flex: none; height: 46px; padding: 0 14px 0 18px; border-bottom: 1px solid var(--line); background: var(--paper) }
.brand { display: flex; align-items: center; gap: 7px; border-radius: 6px }
.brand b { font-size: 15px; letter-spacing: -.02em }
.brand span { color: var(--soft) }
.logo { width: 22px; height: 22px; fill: var(--accent) }
.logo .water { fill: none; stroke: var(--accent); stroke-width: 1.6; stroke-linecap: round; opacity: .55 }
.who-am-i { display: inline-flex; align-items: center; gap: 8px; color: var(--soft) }
.who-am-i i { padding: 0 8px; border: 1px solid var(--line); border-radius: 99px; font-size: 12px; line-height: 19px }
main { flex: 1; min-height: 0; min-width: 0; display: flex; flex-direction: column; background: var(--paper) }
.live { display: inline-flex; align-items: center; gap: 6px; color: var(--soft); font-size: 12.5px }
.live i { width: 7px; height: 7px; border-radius: 50%; background: var(--green); animation: breathe 2.4s ease-in-out infinite }
@keyframes breathe { 50% { opacity: .35 } }
.busy { color: var(--soft) }
.problem { padding: 10px 14px; border: 1px solid color-mix(in oklab, var(--red) 35%, var(--line)); border-radius: 8px; background: var(--remove); overflow-wrap: anywhere; text-align: left }
.problem .facts { display: flex; flex-wrap: wrap; gap: 2px 14px; margin-top: 4px; color: var(--soft); font-size: 12.5px }
.strip { padding: 12px 24px 0 }
.empty { padding: 64px 24px; display: flex; flex-direction: column; align-items: center; gap: 10px; color: var(--soft); text-align: center }
.empty.small { padding: 28px 16px }
.empty h2 { color: var(--ink); font-size: 16px; font-weight: 600 }
.empty > button, .empty > .button { margin-top: 6px }
.ghost { align-self: stretch; height: 30px; border-radius: 7px; background: var(--hover); animation: breathe 1.8s ease-in-out infinite }
.tabs { display: flex; align-items: stretch; gap: 4px; flex: none; padding: 0 18px; border-bottom: 1px solid var(--line) }
.tabs [role=tab] { display: inline-flex; align-items: center; gap: 6px; min-height: 38px; padding: 0 8px; border: 0; border-bottom: 2px solid transparent; border-radius: 0; margin-bottom: -1px; background: none; box-shadow: none; color: var(--soft); font-weight: 550 }
.tabs [role=tab]:hover:not(:disabled) { background: none; color: var(--ink) }
.tabs [role=tab][aria-selected=true] { border-bottom-color: var(--accent); color: var(--ink) }
.tabs [role=tab]:focus-visible { outline-offset: -3px; border-radius: 6px }
.tabs.small { padding: 0 12px; align-items: center }
.tabs [role=tablist] { display: flex; gap: 4px }
.tabs.small [role=tab] { min-height: 34px; font-size: 13px }
.tabs .count { padding: 0 6px; border-radius: 99px; background: var(--hover); color: var(--soft); font-size: 11.5px; line-height: 17px; font-variant-numeric: tabular-nums }
.hello { align-items: center; justify-content: center; gap: 14px; padding: 24px; background: var(--page); text-align: center }
.hello h1 { font-size: 18px; font-weight: 600; letter-spacing: -.01em }
.card { display: flex; flex-direction: column; gap: 12px; width: min(380px, 100%); padding: 28px; border: 1px solid var(--line); border-radius: 14px; background: var(--paper); box-shadow: 0 10px 40px -18px rgb(0 0 0 / .25); text-align: left }
.card .logo { width: 34px; height: 34px }
.card p { color: var(--soft) }
.card button { min-height: 36px }

dialog { width: min(520px, calc(100vw - 24px)); max-width: none; max-height: calc(100dvh - 32px); padding: 0; border: 1px solid var(--line); border-radius: 14px; background: var(--paper); color: var(--ink); box-shadow: 0 24px 70px -20px rgb(0 0 0 / .45); overflow: hidden }
dialog[data-wide] { width: min(860px, calc(100vw - 24px)) }
dialog::backdrop { background: rgb(8 12 18 / .42); backdrop-filter: blur(1.5px) }
dialog form { display: flex; flex-direction: column; max-height: calc(100dvh - 34px) }
dialog header { display: flex; align-items: center; gap: 12px; padding: 14px 14px 4px 20px }
dialog header h2 { flex: 1; min-width: 0; font-size: 16px; font-weight: 600; letter-spacing: -.01em; overflow-wrap: anywhere }
dialog .content { display: flex; flex-direction: column; gap: 14px; padding: 8px 20px 18px; overflow: auto }
dialog .content > p { color: var(--soft) }
dialog .content > p b, dialog .content > p .mono { color: var(--ink) }
dialog footer { display: flex; justify-content: flex-end; gap: 8px; padding: 12px 20px; border-top: 1px solid var(--line); background: var(--page) }
.field { display: flex; flex-direction: column; gap: 5px; min-width: 0 }
.field > span { font-weight: 550 }
.field small { color: var(--soft); font-weight: 400; font-size: 12.5px }
.field small.wrong { color: var(--red) }
.field select { width: 100%; max-width: none }
.columns .field { flex: 1 }
.columns textarea { flex: 1 }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 14px }
.from-checkpoint { padding: 7px 12px; border-radius: 8px; background: var(--hover); overflow-wrap: anywhere }
.whole-value { max-height: 60dvh; padding: 12px; border: 1px solid var(--line); border-radius: 8px; background: var(--page); overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere }
.keys-list { display: grid; gap: 8px }
.keys-list div { display: grid; grid-template-columns: 88px 1fr; gap: 12px }
.keys-list dt { display: flex; gap: 4px }
.keys-list dd { color: var(--soft) }
.notice { position: absolute; left: 50%; bottom: 22px; transform: translate(-50%, 12px); max-width: calc(100% - 24px); padding: 9px 16px; border-radius: 10px; background: light-dark(#1b222d, #e8ebf0); color: light-dark(#fff, #14181f); font-weight: 550; opacity: 0; pointer-events: none; transition: opacity .18s, transform .18s; z-index: 5 }
.notice[data-shown] { opacity: 1; transform: translate(-50%, 0) }
@container inspector (max-width: 720px) {
  .top { padding: 0 8px 0 12px }
  .strip { padding: 10px 12px 0 }
  .columns { grid-template-columns: 1fr }
  button, .button { min-height: 36px }
  button.ghosted { min-height: 36px; width: 36px }
  select, input:not([type=range], [type=checkbox]) { min-height: 38px }
  input:not([type=range], [type=checkbox]), textarea { font-size: 16px }
}
@media (prefers-reduced-motion: reduce) { *, *::before, *::after { animation-duration: 4s !important; transition: none !important } }
`;
