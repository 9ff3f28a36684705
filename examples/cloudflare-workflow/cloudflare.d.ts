// In a project of Cloudflare's own, `wrangler types` declares this module. Here its globals would contradict the DOM's.
declare module "cloudflare:workers" {
  import type { CloudflareWorkersModule } from "@cloudflare/workers-types";

  export const WorkflowEntrypoint: typeof CloudflareWorkersModule.WorkflowEntrypoint;
}
