import { commitsInstead, type Spoil, saboteur, withBodies } from "./saboteur.ts";

const everyOdd = ["bodies.odd-rows", "bodies.odd-entries", "bodies.odd-snapshots", "bodies.odd-claims"];

export const bodySaboteurs = [
  saboteur(
    "trims",
    "Bodies are trimmed.",
    everyOdd,
    keeps((body) => body.trim()),
  ),

  saboteur(
    "normalizes",
    "Bodies are brought into Unicode's composed form.",
    everyOdd,
    keeps((body) => body.normalize("NFC")),
  ),

  saboteur(
    "line-ends",
    "All line ends become line feeds.",
    everyOdd,
    keeps((body) => body.replaceAll(/\r\n?/g, "\n")),
  ),

  saboteur(
    "parses",
    "A body that is JSON is parsed and written anew.",
    everyOdd,
    keeps((body) => {
      try {
        return JSON.stringify(JSON.parse(body));
      } catch {
        return body;
      }
    }),
  ),

  saboteur(
    "controls-dropped",
    "Control characters are dropped.",
    everyOdd,
    keeps((body) => body.replaceAll(/\p{Cc}/gu, "")),
  ),

  saboteur(
    "byte-order-mark",
    "A byte order mark at the start is dropped.",
    everyOdd,
    keeps((body) => body.replace(/^\ufeff/, "")),
  ),

  saboteur(
    "basic-plane",
    "Characters beyond 16 bits become question marks.",
    everyOdd,
    keeps((body) => body.replaceAll(/[\u{10000}-\u{10ffff}]/gu, "?")),
  ),

  saboteur(
    "empty-is-absent",
    "An empty snapshot is none.",
    ["bodies.odd-snapshots"],
    commitsInstead((commit) => {
      if (commit.entry?.snapshot !== "") return commit;
      const { snapshot: _empty, ...entry } = commit.entry;
      return { ...commit, entry };
    }),
  ),

  saboteur(
    "short-rows",
    "Bodies are cut at 250,000 code units.",
    ["bodies.largest"],
    keeps((body) => body.slice(0, 250_000)),
  ),

  saboteur("bytes-miscounted", "Bodies of more than 200,000 bytes are refused.", ["bodies.largest"], (good) => ({
    commit: async (commit) => {
      if (new TextEncoder().encode(commit.run.body).length > 200_000) throw new Error("too large");
      return good.commit(commit);
    },
  })),

  saboteur(
    "short-snapshots",
    "Snapshots are cut at two megabytes.",
    ["bodies.snapshot-5mb"],
    splits((parts) => parts.slice(0, 4)),
  ),

  saboteur(
    "parts-as-text",
    "The parts of a long snapshot are joined in the order of their numbers as text.",
    ["bodies.snapshot-5mb"],
    splits((parts) =>
      parts
        .map((_, index) => index)
        .sort()
        .map((index) => parts[index] ?? ""),
    ),
  ),

  saboteur(
    "split-in-characters",
    "A long snapshot is cut in the middle of characters, whose halves are lost.",
    ["bodies.split-characters"],
    splits((parts) => parts.map((part) => part.toWellFormed())),
  ),
];

function keeps(change: (body: string) => string): Spoil {
  return commitsInstead((commit) => withBodies(commit, change));
}

/** Cuts long snapshots into parts of 400,000 code units, and joins what becomes of them. */
function splits(change: (parts: readonly string[]) => readonly string[]): Spoil {
  const length = 400_000;
  return commitsInstead((commit) => {
    const { snapshot } = commit.entry ?? {};
    if (commit.entry === undefined || snapshot === undefined) return commit;
    const count = Math.ceil(snapshot.length / length);
    const parts = Array.from({ length: count }, (_, index) => snapshot.slice(index * length, (index + 1) * length));
    return { ...commit, entry: { ...commit.entry, snapshot: change(parts).join("") } };
  });
}
