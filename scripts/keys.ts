import { parseArgs } from "node:util";
import * as v from "valibot";
import { isId } from "../src/ids.ts";
import type { KeyRow } from "../worker/cloudflare/d1-keys.ts";
import { newKey } from "../worker/http/auth/keys.ts";
import { newApiKey } from "../worker/http/contract/keys.ts";
import { addStatement, listStatement, revokeStatement } from "./key-statements.ts";
import { applyMigrations, executeSql } from "./local-worker.ts";

const usage = `npx orca-durable keys issue --tenant TENANT --role read|execute|admin --name NAME
npx orca-durable keys list [--tenant TENANT]
npx orca-durable keys revoke KEY_ID

They work on the binding DB of this folder's wrangler.toml: on the local database of wrangler dev; with --remote on the
deployed one, and with --persist-to FOLDER on the local one of that folder.`;

type Row = Omit<KeyRow, "key_hash">;

const options = {
  tenant: { type: "string" },
  role: { type: "string" },
  name: { type: "string" },
  remote: { type: "boolean", default: false },
  "persist-to": { type: "string" },
} as const;

/** Issues, lists or revokes API keys, as the arguments after `keys` say. */
export async function keys(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
  const persistTo = values["persist-to"];
  const place: Place = {
    isRemote: values.remote,
    cwd: process.cwd(),
    ...(persistTo === undefined ? {} : { persistTo }),
  };
  const [command, keyId] = positionals;
  if (command === "issue") await issue(place, values);
  else if (command === "list") await list(place, values.tenant);
  else if (command === "revoke" && keyId !== undefined) await revoke(place, keyId);
  else refuse(usage);
}

interface Place {
  readonly isRemote: boolean;
  /** The folder with wrangler.toml. */
  readonly cwd: string;
  readonly persistTo?: string;
}

interface Asked {
  readonly tenant?: string | undefined;
  readonly role?: string | undefined;
  readonly name?: string | undefined;
}

async function issue(place: Place, { tenant, role, name }: Asked): Promise<void> {
  const { success, output, issues } = v.safeParse(newApiKey, { role, name });
  if (!isId(tenant)) return refuse("--tenant: expected 1 to 200 printable ASCII characters");
  if (!success) return refuse(`--${v.getDotPath(issues[0])}: ${issues[0].message}`);
  const { key, record } = await newKey({ tenant, ...output }, Date.now());
  await execute(place, addStatement(record));
  console.error(`Issued key ${record.keyId} of tenant "${tenant}" with the role ${output.role}.`);
  console.error("The key is shown only now: the database stores its hash.");
  console.log(key);
}

async function list(place: Place, tenant: string | undefined): Promise<void> {
  const rows = await execute<Row>(place, listStatement(tenant));
  console.log(["KEY_ID", "TENANT", "ROLE", "CREATED", "REVOKED", "HINT", "NAME"].join("\t"));
  for (const { key_id, tenant, role, created_at, revoked_at, hint, name } of rows) {
    console.log([key_id, tenant, role, timeOf(created_at), timeOf(revoked_at), hint, name].join("\t"));
  }
}

async function revoke(place: Place, keyId: string): Promise<void> {
  const [row] = await execute<Row>(place, revokeStatement(keyId, Date.now()));
  if (row === undefined) return refuse(`Unknown key id "${keyId}".`);
  console.error(`Revoked key ${row.key_id}, "${row.name}", of tenant "${row.tenant}".`);
}

async function execute<Result>(place: Place, sql: string): Promise<readonly Result[]> {
  try {
    return await executeSql<Result>(sql, place);
  } catch (error) {
    // The deployer migrates the deployed database.
    if (place.isRemote || !String(error).includes("no such table: api_keys")) throw error;
    await applyMigrations(place);
    return executeSql<Result>(sql, place);
  }
}

function timeOf(ms: number | null): string {
  return ms === null ? "-" : new Date(ms).toISOString();
}

function refuse(problem: string): void {
  console.error(problem);
  process.exitCode = 1;
}
