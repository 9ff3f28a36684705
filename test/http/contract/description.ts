import { describe, expect, test } from "vitest";
import { operations } from "../../../worker/http/contract/operations.ts";
import { answered, Client, type HttpHome } from "../../support/http-home.ts";

/** The other direction: what the document says of the app, the app did. It comes after all other tests. */
export function testDescription(home: HttpHome): void {
  const client = new Client(home);

  describe("what the document says", () => {
    test.each(["/v1/health", "/openapi.json", "/reference"])("GET %s answers, without a key too", async (path) => {
      expect((await client.get(path)).status).toBe(200);
    });

    test("happened: every answer of every route, and the refusals that are of its kind", () => {
      // A place that issues no keys has the routes all the same, and the first page may be that of the site.
      // The stream of changes does not end, so that its test reads it by itself.
      const unseen = ["getHome", "streamChanges"];
      const issued = operations.filter(({ tag, id }) => tag !== "keys" && !unseen.includes(id));
      const said = issued.flatMap(({ id, status, also = {}, isConditional, isIdempotent, path }) => [
        `${id} ${status}`,
        ...Object.keys(also).map((status) => `${id} ${status}`),
        ...(isConditional ? [`${id} precondition_failed`] : []),
        ...(isIdempotent ? [`${id} idempotency_conflict`] : []),
        ...(path.includes("{") ? [`${id} not_found`] : []),
      ]);
      expect(said.filter((answer) => !answered.has(answer))).toEqual([]);
    });
  });
}
