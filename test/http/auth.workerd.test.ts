import { env } from "cloudflare:workers";
import { d1Store } from "../../adapters/d1/index.ts";
import { createRuntime } from "../../src/index.ts";
import { d1Keys } from "../../worker/cloudflare/d1-keys.ts";
import { testHttpKeys } from "../support/http-keys.ts";
import { httpCapabilities, httpSkills } from "../support/http-skills.ts";

testHttpKeys(d1Keys(env.DB), (tenant) =>
  createRuntime({ serves: false, store: d1Store(env.DB), skills: httpSkills, capabilities: httpCapabilities }).for(
    tenant,
  ),
);
