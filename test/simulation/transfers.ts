import { isDeepStrictEqual } from "node:util";
import type { Runs } from "../../src/index.ts";
import type { Accepted, History, Life } from "./history.ts";
import { signalNames } from "./program.ts";
import type { Random } from "./random.ts";
import type { Subject } from "./subject.ts";
import type { Process, World } from "./world.ts";

/** The export of a run, as a client keeps it. */
export interface ExportFile {
  readonly source: Life;
  /** The revision of the run that it holds. */
  readonly revision: number;
  readonly lines: readonly string[];
  /** What the passes over the run had seen by then. */
  readonly seen: readonly string[];
}

/** An import that was asked for. */
interface Asked {
  readonly file: ExportFile;
  /** What was done to the file; absent if it is whole. */
  readonly damage: string | undefined;
}

/** Where exports and imports are done, and judged. */
interface Facts {
  readonly world: World;
  readonly subject: Subject;
  readonly history: History;
  /** What passes of that line of a run have seen so far. */
  seenOn(runKey: string, line: number): readonly string[];
  arrived(runKey: string, seen: readonly string[]): void;
  /** Loses the answer of the next commit of a process, and fails the read behind it, where anything may go wrong. */
  loseAnswer(process: Process): void;
}

/** Exports that clients keep, and imports of them, whole and damaged. */
export class Transfers {
  readonly files: ExportFile[] = [];
  readonly #facts: Facts;
  /** By the operation that imports. */
  readonly #asked = new Map<number, Asked>();
  #disturbed = 0;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  /** Exports a run, and keeps the file. It is the run's whole history up to a revision. */
  async exported(runs: Runs, life: Life, process: Process, draw: Random): Promise<ExportFile> {
    const { world, subject, seenOn } = this.#facts;
    const lines: string[] = [];
    let seen: readonly string[] = [];
    const isSlow = draw.chance(0.3);
    const isDisturbed = isSlow && draw.chance(0.5);
    for await (const line of subject.core.exportRun(runs, life.runId)) {
      if (lines.length === 0) seen = seenOn(life.key, life.commits.at(-1)?.line ?? 1);
      lines.push(line);
      // A reader takes its time, and the run may go on meanwhile.
      const longestMs = lines.length === 1 ? 5_000 : 300;
      if (isDisturbed && lines.length === 1) this.#disturb(runs, life, process);
      if (isSlow) await world.delay(process, draw.fraction() * longestMs, "a reader of an export");
    }
    const { revision, body } = parsed(lines[0]) as { readonly revision: number; readonly body: string };
    const file = { source: life, revision, lines, seen };
    const whole = pictureOf(life, revision);
    const given = pictureIn(lines);
    if (body !== whole.body || !isDeepStrictEqual(given, { entries: whole.entries, effects: whole.effects })) {
      world.violate("transfers-are-whole", `the export of ${life.key} is not what it was at revision ${revision}`);
    }
    this.files.push(file);
    return file;
  }

  /** The run is changed by another client, while it is read. */
  #disturb(runs: Runs, { runId }: Life, process: Process): void {
    const name = signalNames[0];
    this.#facts.world.context.run({ process }, () => {
      // It may be over.
      void runs.signal(runId, { name, payload: `meanwhile${++this.#disturbed}` }).catch(() => {});
    });
  }

  loseAnswer(process: Process): void {
    this.#facts.loseAnswer(process);
  }

  /** Imports a file under the same id, sometimes a damaged copy. Lines come at once, or slowly and in pieces. */
  async imported(operation: number, runs: Runs, file: ExportFile, process: Process, draw: Random): Promise<void> {
    const { world, subject, history } = this.#facts;
    const damaged = draw.chance(0.3) ? damage(file.lines, draw) : undefined;
    this.#asked.set(operation, { file, damage: damaged?.damage });
    history.imports.add(operation);
    const lines = damaged?.lines ?? file.lines;
    await subject.core.importRun(runs, draw.chance(0.5) ? lines : slowly(world, process, lines, draw));
  }

  /** True if the answer of an import of a damaged file, that it is done, is a violation: nothing was there before. */
  isDamaged(operation: number): boolean {
    return this.#asked.get(operation)?.damage !== undefined;
  }

  /** An imported run is its source as it was exported, and of another tenant at most. */
  judge(commit: Accepted): void {
    const { world, subject, history, arrived } = this.#facts;
    const asked = commit.operation === undefined ? undefined : this.#asked.get(commit.operation);
    const violate = (what: string) =>
      world.violate("transfers-are-whole", `the import of ${commit.runKey} at revision ${commit.revision} ${what}`);
    const life = history.lives.get(commit.runKey);
    if (asked === undefined || life === undefined) {
      violate("was asked for by no one");
      return;
    }
    if (asked.damage !== undefined) violate(`was accepted, although its file is damaged: ${asked.damage}`);
    const { source, revision, seen } = asked.file;
    if (commit.revision !== revision) violate(`should be at revision ${revision}`);
    const [was, is] = [pictureOf(source, revision), pictureOf(life, revision)];
    const record = (body: string) => {
      const { record } = subject.readRunBody(body, "a run");
      return record && { ...record, run: { ...record.run, tenantId: undefined } };
    };
    if (!isDeepStrictEqual(record(was.body), record(is.body))) violate("has another row than its source");
    if (!isDeepStrictEqual(was.columns, is.columns)) violate("has other columns than its source");
    if (!isDeepStrictEqual(was.entries, is.entries)) violate("has another history than its source");
    if (!isDeepStrictEqual(was.effects, is.effects)) violate("knows other effects than its source");
    arrived(commit.runKey, seen);
  }
}

/** What a run is at a revision, as it is stored: the ledger by key, without keys of requests, which lapse. */
function pictureOf({ commits }: Life, revision: number) {
  const sent = [...new Set(commits.map(({ commit }) => commit))].filter(({ run }) => run.revision <= revision);
  const entries = sent.flatMap(({ run, earlier = [], entry }) => [
    ...earlier,
    ...(entry === undefined ? [] : [{ ...entry, revision: run.revision }]),
  ]);
  const effects = sent.flatMap(({ claims = [] }) => claims).filter(({ kind }) => kind === "effect");
  const { body = "", createdAt, status, skillId, sourceRunId, dueAt } = sent.at(-1)?.run ?? {};
  return {
    body,
    columns: { createdAt, status, skillId, sourceRunId, dueAt },
    entries: entries.map(entryFields),
    effects: new Map([...effects].sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ key, body }) => [key, body])),
  };
}

function pictureIn(lines: readonly string[]) {
  const all = lines.slice(1, -1).map(parsed);
  return {
    entries: all.filter(({ kind }) => kind === "entry").map((entry) => entryFields(entry as never)),
    effects: new Map(all.filter(({ claim }) => claim === "effect").map(({ key, body }) => [key, body])),
  };
}

function entryFields(entry: Stored) {
  const { revision, checkpointId, keyframe, snapshot, body } = entry;
  return { revision, checkpointId, keyframe, snapshot, body };
}

interface Stored {
  readonly revision: number;
  readonly checkpointId?: string;
  readonly keyframe?: number;
  readonly snapshot?: string;
  readonly body: string;
}

function parsed(line: string | undefined): Record<string, unknown> {
  return JSON.parse(line ?? "{}") as Record<string, unknown>;
}

/** Lines as a network brings them. */
async function* slowly(world: World, process: Process, lines: readonly string[], draw: Random): AsyncGenerator<string> {
  for (const line of lines) {
    const middle = draw.below(line.length);
    yield line.slice(0, middle);
    if (draw.chance(0.2)) await world.delay(process, draw.fraction() * 200, "a part of an import");
    yield line.slice(middle);
  }
}

/** A file of which nothing may be taken, and what is wrong with it. Absent if the file has no place for that. */
export function damage(
  lines: readonly string[],
  draw: Random,
): { readonly damage: string; readonly lines: readonly string[] } | undefined {
  const edited = (place: number, edit: (fields: Record<string, unknown>) => Record<string, unknown>) =>
    lines.with(place, `${JSON.stringify(edit(parsed(lines[place])))}\n`);
  const place = draw.below(lines.length);
  const inner = 1 + draw.below(Math.max(lines.length - 2, 1));
  const places = (fits: (fields: Record<string, unknown>) => boolean) =>
    lines.flatMap((line, index) => (fits(parsed(line)) ? [index] : []));
  const kind = draw.pick([
    "cut",
    "hole",
    "swap",
    "twice",
    "foreign",
    "broken",
    "checkpoint",
    "stateless",
    "claim",
    "newer",
    "tail",
  ]);
  switch (kind) {
    case "cut":
      return { damage: kind, lines: lines.slice(0, draw.chance(0.5) ? -1 : place) };
    case "hole":
      return { damage: `${kind} at ${inner}`, lines: lines.toSpliced(inner, 1) };
    case "swap": {
      const [first = "", second = ""] = lines.slice(inner - 1, inner + 1);
      return { damage: `${kind} at ${inner}`, lines: lines.toSpliced(inner - 1, 2, second, first) };
    }
    case "twice":
      return { damage: `${kind} at ${inner}`, lines: lines.toSpliced(inner, 0, lines[inner] ?? "") };
    case "foreign":
      return { damage: kind, lines: edited(0, (header) => ({ ...header, runId: "another" })) };
    case "broken": {
      const line = lines[place] ?? "";
      return { damage: `${kind} at ${place}`, lines: lines.with(place, `${line.slice(0, line.length / 2)}\n`) };
    }
    case "checkpoint": {
      const at = draw.pick(places(({ checkpointId }) => checkpointId !== undefined));
      if (at === undefined) return undefined;
      return { damage: `${kind} at ${at}`, lines: edited(at, (entry) => ({ ...entry, checkpointId: "another" })) };
    }
    case "stateless": {
      const at = draw.pick(places(({ snapshot }) => snapshot !== undefined));
      if (at === undefined) return undefined;
      return { damage: `${kind} at ${at}`, lines: edited(at, ({ snapshot: _, ...entry }) => entry) };
    }
    case "claim": {
      const at = draw.pick(places(({ claim }) => claim === "effect"));
      if (at === undefined) return undefined;
      return { damage: `${kind} at ${at}`, lines: edited(at, (claim) => ({ ...claim, key: "0".repeat(64) })) };
    }
    case "newer":
      return { damage: kind, lines: edited(0, (header) => ({ ...header, format: 99 })) };
    case "tail":
      return { damage: kind, lines: [...lines, lines[inner] ?? ""] };
  }
  return undefined;
}
