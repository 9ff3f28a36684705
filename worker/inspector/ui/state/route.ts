import { isStatus } from "./status.ts";
import type { Status } from "./wire.ts";

export const runTabs = ["timeline", "events", "lineage"] as const;
export type RunTab = (typeof runTabs)[number];

/** What is shown, as the fragment of the URL encodes it. */
export type Route =
  | { readonly page: "runs"; readonly status?: Status; readonly skill?: string }
  | { readonly page: "run"; readonly runId: string; readonly tab: RunTab; readonly checkpoint?: string };

/** The route of a fragment. An unknown fragment is the list of runs. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const parameters = new URLSearchParams(query);
  const [, runId, tab = "timeline"] = /^\/runs\/([^/]+)(?:\/([a-z]+))?$/.exec(path) ?? [];
  if (runId !== undefined) {
    const checkpoint = parameters.get("checkpoint");
    return {
      page: "run",
      runId: decoded(runId),
      tab: runTabs.find((known) => known === tab) ?? "timeline",
      ...(checkpoint === null ? {} : { checkpoint }),
    };
  }
  const status = parameters.get("status");
  const skill = parameters.get("skill");
  return { page: "runs", ...(isStatus(status) ? { status } : {}), ...(skill ? { skill } : {}) };
}

export function hashOf(route: Route): string {
  const parameters = new URLSearchParams();
  let path = "/runs";
  if (route.page === "runs") {
    if (route.status !== undefined) parameters.set("status", route.status);
    if (route.skill !== undefined) parameters.set("skill", route.skill);
  } else {
    path = `/runs/${encodeURIComponent(route.runId)}${route.tab === "timeline" ? "" : `/${route.tab}`}`;
    if (route.checkpoint !== undefined) parameters.set("checkpoint", route.checkpoint);
  }
  const query = parameters.size === 0 ? "" : `?${parameters}`;
  return `#${path}${query}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
