import type { Schema } from "../../src/index.ts";
import { type Counts, count, hasPure, named, type Piece, type Program, partsOf } from "./program.ts";
import type { Random } from "./random.ts";

/** That program with gates that take data in its body, before or beside the rest, and with no others. */
export function withQuestions(random: Random, program: Program, counts: Counts): Program {
  count(counts, "skill with questions");
  const rest: readonly Piece[] = program.form === "code" ? [asking(program.body)] : [];
  const questions = Array.from(
    { length: random.between(1, 3) },
    (): Piece => ({
      kind: "approval",
      name: random.pick(["q", "r"]),
      asks: true,
    }),
  );
  const kind = random.pick(["sequence", "all", "allSettled"] as const);
  const body: Piece = { kind, of: [...questions, ...rest] };
  return { id: program.id, form: "code", body: hasPure(body) ? named(body) : body };
}

/** The piece with each of its gates as one that takes data. */
function asking(piece: Piece): Piece {
  switch (piece.kind) {
    case "approval":
      return { ...piece, asks: true };
    case "sequence":
    case "all":
    case "race":
    case "any":
    case "allSettled":
      return { ...piece, of: piece.of.map(asking) };
    case "float":
      return { ...piece, of: asking(piece.of), meanwhile: asking(piece.meanwhile) };
    case "catch":
      return { ...piece, of: asking(piece.of), otherwise: asking(piece.otherwise) };
    case "repeat":
      return { ...piece, of: asking(piece.of) };
    case "choice":
      return { ...piece, on: asking(piece.on), odd: asking(piece.odd), even: asking(piece.even) };
    default:
      return piece;
  }
}

/** The names of the gates that take data. */
export function questionsIn(piece: Piece): readonly string[] {
  if (piece.kind === "approval") return piece.asks === true ? [piece.name] : [];
  return partsOf(piece).flatMap(questionsIn);
}

/** What a right answer is: it says by whom it is. */
export const answerSchema: Schema<{ readonly by: string }> = {
  "~standard": {
    version: 1,
    vendor: "simulation",
    validate: (value) =>
      typeof (value as { by?: unknown } | undefined)?.by === "string"
        ? { value: value as { by: string } }
        : { issues: [{ message: "expected a text", path: ["by"] }] },
  },
};
