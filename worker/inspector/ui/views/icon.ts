import { html, type TemplateResult } from "lit/html.js";

// Strokes on a 16 x 16 grid.
const paths = {
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.4 10.4l3.1 3.1",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6l7.6-4.8z",
  resume: "M3.5 3.5v9M6.5 3.5v9l6.5-4.5z",
  replay: "M13.2 6.2A5.6 5.6 0 1 0 13.6 9M13.6 2.8v3.4h-3.4",
  fork: "M4.5 5.5v5M4.5 8.5h4a3 3 0 0 0 3-3M4.5 5.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM4.5 13.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 5.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3z",
  signal:
    "M8 9.2a1.2 1.2 0 1 0 0-2.4 1.2 1.2 0 0 0 0 2.4zM5 11a4.2 4.2 0 0 1 0-6M11 5a4.2 4.2 0 0 1 0 6M2.9 13.1a7.2 7.2 0 0 1 0-10.2M13.1 2.9a7.2 7.2 0 0 1 0 10.2",
  cancel: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM4.2 11.8l7.6-7.6",
  export: "M8 2.5v7.2M5 7l3 3 3-3M2.8 10.8v2.4h10.4v-2.4",
  delete: "M2.8 4.5h10.4M6.2 4.5V2.8h3.6v1.7M4.2 4.5l.6 8.7h6.4l.6-8.7",
  back: "M9.8 3.2L5 8l4.8 4.8",
  next: "M6.2 3.2L11 8l-4.8 4.8",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  key: "M10.2 9.8a3.8 3.8 0 1 0-3.6-2.6L2.5 11.3v2.2h2.7v-1.6h1.6v-1.6l1.3-1.3c.6.5 1.3.8 2.1.8zM11 5.2v.1",
  help: "M6 6a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.4v.4M8 12v.1",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3.5 8.5l3 3 6-7",
  up: "M8 12.5v-9M4.5 7L8 3.5 11.5 7",
  down: "M8 3.5v9M4.5 9L8 12.5 11.5 9",
  left: "M12.5 8h-9M7 4.5L3.5 8 7 11.5",
  right: "M3.5 8h9M9 4.5L12.5 8 9 11.5",
  enter: "M12.5 3.5v5h-8M7 5.5L4 8.5l3 3",
  effect: "M8.8 1.8L3.5 9h4l-.6 5.2L12.5 7h-4z",
  expand: "M9.5 2.8h3.7v3.7M13 3L9.4 6.6M6.5 13.2H2.8V9.5M3 13l3.6-3.6",
} as const;

export type IconName = keyof typeof paths;

/** An icon beside a word with the same meaning; screen readers skip it. */
export function icon(name: IconName): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${paths[name]}></path></svg>`;
}
