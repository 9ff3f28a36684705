import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** A program and all that it starts, in a process group of its own. */
export interface Guarded {
  /** What the program has written to its standard output since it was started. */
  output(): string;
  /** The end of what it has written to its standard error. */
  complaints(): string;
  /** True once the program has ended. */
  hasEnded(): boolean;
  /** Resolves once it has ended, by itself or killed. */
  readonly ended: Promise<void>;
  /** SIGKILL for the whole group. Resolves once it is gone. */
  kill(): Promise<void>;
  /** Lets the group put things away before it is killed. Resolves once it is gone. */
  stop(): Promise<void>;
}

/**
 * The group is killed when the program ends, and when standard input closes: that is when the process which started it is
 * gone, in whatever way. No exit handler runs after a SIGKILL, and a browser that survives it would hold its profile.
 */
const guard = `
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
{ trap "" TERM; cat <&3 >/dev/null; kill -s TERM 0; sleep 0.2; kill -s KILL 0; } &
wait $program
kill -s KILL 0
`;

export function startGuarded(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Guarded {
  const child = spawn("sh", ["-c", guard, "guard", program, ...args], {
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const ended = once(child, "close").then(() => undefined);
  const output = collected(child.stdout, Number.POSITIVE_INFINITY);
  const complaints = collected(child.stderr, 4_000);
  return {
    output,
    complaints,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    ended,
    async kill() {
      killGroup(child);
      await ended;
    },
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // The group has ended before.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function collected(stream: NodeJS.ReadableStream, most: number): () => string {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (piece: string) => {
    text = `${text}${piece}`.slice(-most);
  });
  return () => text;
}
