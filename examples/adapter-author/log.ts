import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";

const format = "orca-durable example log, format 1\n";

/** A log of texts that several processes append to. */
export interface Log {
  /** Calls `take` with each text that is new since the last call, by this handle or another. */
  catchUp(take: (text: string, number: number) => void): void;
  /** Appends behind what `catchUp` has read. False, and nothing is written, if another handle has appended there. */
  append(text: string): boolean;
  /** Takes the content of earlier texts away, at the end of `catchUp`; they are passed over from then on. */
  empty(numbers: Iterable<number>): void;
  close(): void;
}

/**
 * A log in a folder that exists, on Linux and macOS: a file for each text, named by its number. No file ever changes, except
 * that it is emptied. There is no lock, so there is none to break when a process dies.
 */
export function folderLog(folder: string): Log {
  let next = 1;
  const emptied = new Set<number>();

  const fileOf = (number: number) => join(folder, `${number}.log`);
  const sizeOf = (number: number) => fs.statSync(fileOf(number), { throwIfNoEntry: false })?.size;
  /** A name that no other handle uses, for a file that is not in the log yet. */
  const asideOf = (number: number, kind: "draft" | "blank") => join(folder, `${number}.${randomUUID()}.${kind}`);

  /**
   * All of the text is on the disk before its file gets its name, so a process that is killed leaves a draft and never half a
   * text. A link fails if the name exists: of handles that race for a number, one gets it.
   */
  function write(number: number, text: string): boolean {
    const draft = asideOf(number, "draft");
    try {
      fs.writeFileSync(draft, text, { flush: true });
      fs.linkSync(draft, fileOf(number));
      return true;
    } catch (error) {
      const { syscall, code } = error as NodeJS.ErrnoException;
      // ENOENT: the number is taken, and a handle that was opened since then has removed the draft.
      if (syscall === "link" && (code === "EEXIST" || code === "ENOENT")) return false;
      throw error;
    } finally {
      fs.rmSync(draft, { force: true });
    }
  }

  // File 0 names the format. It also tells an empty log from a folder that is gone.
  write(0, format);
  if (fs.readFileSync(fileOf(0), "utf8") !== format) throw new Error("the folder has a log of another format");
  for (const name of fs.readdirSync(folder)) {
    // Left by a process that was killed. A draft whose number is free may be another handle's that is about to be linked.
    const isLeft = name.endsWith(".draft") && sizeOf(Number.parseInt(name, 10)) !== undefined;
    if (isLeft) fs.rmSync(join(folder, name), { force: true });
  }
  const directory = fs.openSync(folder, "r");

  return {
    catchUp(take) {
      // Throws if the log is gone: the caller must not answer from its memory then.
      fs.statSync(fileOf(next - 1));
      for (let end = next; ; ) {
        while (sizeOf(end) !== undefined) end += 1;
        // After new files it looks once more: the text that made one of them empty may be newer than they are.
        if (end === next) break;
        // The names are on the disk before anything is made of the texts, so that no power cut takes them back.
        fs.fsyncSync(directory);
        for (; next < end; next += 1) {
          const text = fs.readFileSync(fileOf(next), "utf8");
          if (text !== "") take(text, next);
        }
      }
      for (const number of emptied) {
        if (sizeOf(number) !== 0) {
          const blank = asideOf(number, "blank");
          fs.writeFileSync(blank, "");
          fs.renameSync(blank, fileOf(number));
        }
        emptied.delete(number);
      }
    },

    append: (text) => write(next, text),

    empty(numbers) {
      for (const number of numbers) emptied.add(number);
    },

    close: () => fs.closeSync(directory),
  };
}
