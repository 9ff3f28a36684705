/** The list of runs. */
export const runs = `
.runs .heading { display: flex; align-items: center; gap: 14px; flex: none; padding: 18px 24px 12px }
.runs h1 { font-size: 20px; line-height: 28px; font-weight: 650; letter-spacing: -.02em }
.runs .tools { display: flex; flex-wrap: wrap; gap: 8px; flex: none; padding: 0 24px 14px }
.search { position: relative; flex: 1 1 240px; max-width: 420px; display: flex; align-items: center }
.search .icon { position: absolute; left: 10px; color: var(--faint); pointer-events: none }
.search kbd { position: absolute; right: 8px; pointer-events: none }
.search input { padding-left: 33px !important; padding-right: 34px !important }
.search input::-webkit-search-cancel-button { display: none }
.search input:focus + kbd { visibility: hidden }
.runs .grid { position: relative; flex: 1; min-height: 0; overflow: auto; border-top: 1px solid var(--line); overscroll-behavior: contain }
.space { position: relative }
.runs .row { display: grid; grid-template-columns: 168px minmax(200px, 2fr) minmax(170px, 1fr) 96px 78px; align-items: center; gap: 16px; padding: 0 24px }
.runs .row.head { position: sticky; top: 0; z-index: 2; height: 32px; border-bottom: 1px solid var(--line); background: var(--page); color: var(--soft); font-size: 12px; font-weight: 550 }
.runs .space .row { position: absolute; top: 0; left: 0; right: 0; height: 52px; border-bottom: 1px solid var(--line); contain: strict }
.runs .space .row:hover { background: var(--hover) }
.runs .space .row[aria-selected=true] { background: var(--accent-wash); box-shadow: inset 3px 0 var(--accent) }
.runs .row > span { min-width: 0 }
.runs .row .badge { display: flex }
.runs .row .number { color: var(--soft) }
.who { display: flex; flex-direction: column }
.who a::after { content: ""; position: absolute; inset: 0 }
.who b { font-weight: 550 }
.who b, .who small { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.who small { color: var(--soft); font-size: 12.5px; line-height: 18px }
.who small i { color: var(--faint) }
.who small .icon { width: 12px; height: 12px; margin-right: 3px; vertical-align: -1.5px }
.progress { display: flex; align-items: center; gap: 9px; color: var(--soft); white-space: nowrap; overflow: hidden }
.meter { flex: none; width: 64px; height: 4px; border-radius: 4px; background: var(--line); overflow: hidden }
.meter i { display: block; height: 100%; border-radius: 4px; background: var(--tone) }
.progress .count { font-variant-numeric: tabular-nums; font-size: 12.5px }
.progress .current { overflow: hidden; text-overflow: ellipsis; font-family: var(--mono); font-size: 12px }
.foot { display: flex; align-items: center; gap: 12px; flex: none; min-height: 36px; padding: 0 24px; border-top: 1px solid var(--line); background: var(--page); color: var(--soft); font-size: 12.5px }
.foot .keys { display: flex; align-items: center; gap: 5px }
@container inspector (max-width: 720px) {
  .runs .heading { padding: 12px 12px 10px }
  .runs .tools { padding: 0 12px 10px }
  .search { max-width: none; flex-basis: 100% }
  .tools select { flex: 1; max-width: none }
  .search kbd, .foot .keys, .runs .row.head { display: none }
  .runs .row { grid-template-columns: 1fr auto; gap: 0 10px; padding: 6px 12px; align-content: center }
  .runs .row .who { order: -1 }
  .runs .row .progress, .runs .row > :nth-child(4) { display: none }
  .runs .row > :first-child { justify-self: end; font-size: 12.5px }
  .runs .row > :nth-child(5) { position: absolute; right: 12px; bottom: 6px; font-size: 12px }
  .runs .row .who small { padding-right: 0 }
  .runs .row > :first-child { align-self: start }
  .foot { padding: 0 12px }
}
`;
