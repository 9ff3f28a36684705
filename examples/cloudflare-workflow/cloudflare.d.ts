// In a Cloudflare project, `wrangler types` declares this module. Here its globals would conflict with those of the DOM.
declare module "cloudflare:workers" {
  import type { CloudflareWorkersModule } from "@cloudflare/workers-types";

  export const WorkflowEntrypoint: typeof CloudflareWorkersModule.WorkflowEntrypoint;
}
