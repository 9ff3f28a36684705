import { ref } from "lit/directives/ref.js";
import { repeat } from "lit/directives/repeat.js";
import { html, nothing, type TemplateResult } from "lit/html.js";
import type { RunPage } from "../state/run-page.ts";
import type { RunEvent } from "../state/wire.ts";
import { clock, dateTime } from "./format.ts";

/** The events of the run, oldest first. */
export function eventsView(page: RunPage): TemplateResult {
  const { log, events } = page;
  const rows = events.rows(log.events.length);
  const isRow = rows.some(({ index }) => index === events.active);
  return html`<div class="events" role="grid" aria-label="Events" aria-rowcount=${log.events.length} tabindex="0" data-scroll
    aria-activedescendant=${isRow ? `event-${events.active}` : nothing} ${ref(events.attach)}>
    <div class="space" role="presentation" .style=${`height:${events.height}px`}>
      ${repeat(
        rows,
        ({ index }) => log.events[index]?.event_id ?? index,
        ({ index, start }) => {
          const event = log.events[index];
          return event === undefined ? nothing : eventRow(page, event, index, start);
        },
      )}
    </div>
    ${log.events.length === 0 ? html`<div class="empty small">No events yet.</div>` : nothing}
  </div>`;
}

function eventRow(page: RunPage, event: RunEvent, index: number, start: number): TemplateResult {
  const { event_type: type, occurred_at: at, event_id: id } = event;
  const isActive = index === page.events.active;
  return html`<div class="event" role="row" id="event-${index}" aria-rowindex=${index + 1} aria-selected=${isActive} data-row
    data-family=${type.split(".")[0]} data-type=${type} title=${id} ?data-active=${isActive}
    .style=${`transform:translateY(${start}px)`} @click=${() => page.chooseEvent(index)}>
    <time role="gridcell" datetime=${at} title=${dateTime(at)}>${clock(at)}</time><b role="gridcell">${type}</b>
    <span role="gridcell" class="mono">${said(event)}</span>
  </div>`;
}

/** The parts of the payload that distinguish events of one type. */
function said({ payload }: RunEvent): string {
  const names = [
    "step_id",
    "checkpoint_id",
    "name",
    "error",
    "message",
    "attempt",
    "approver",
    "notes",
    "until",
    "retry_at",
  ];
  return names
    .flatMap((name) => {
      const value = payload[name];
      if (value === undefined || value === null || value === 1) return [];
      return [name === "attempt" ? `attempt ${value}` : String(value)];
    })
    .join(" · ");
}
