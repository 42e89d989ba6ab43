/**
 * What a killed server leaves behind. Workers end with their socket, but one that is blocked in a long run notices late:
 * a starting server ends those of its data directory first. Each running process is one empty file whose name is its
 * pid and start time, so that a stranger who has been given an old pid is never touched.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Log } from '../monitoring/index.ts';
import { commandLine, startTicks } from './process-facts.ts';
import { ProcessTree } from './process-tree.ts';
import { folderPrefix } from './worker-door.ts';

/** The kernel needs a moment to take a killed process down, more if it holds much memory. */
const endWaitMs = 3_000;
const pollMs = 10;
const treePrefix = 'tree-';

export class Leftovers {
  readonly #folder: string;
  readonly #trees: string;

  /** `stateDirectory` is the server's own. */
  constructor(stateDirectory: string) {
    this.#folder = join(stateDirectory, 'workers');
    this.#trees = join(stateDirectory, 'processes');
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Of a worker that will start processes: noted before the first of them. */
  treeOf(workerId: string): { readonly tree: ProcessTree; readonly forget: () => void } {
    const tree = new ProcessTree(this.#trees, workerId);
    mkdirSync(tree.directory, { recursive: true, mode: 0o700 });
    return { tree, forget: this.#note(`${treePrefix}${workerId}`) };
  }

  /** Notes a process that was just started; the answer forgets it. */
  remember(pid: number): () => void {
    const ticks = startTicks(pid);
    if (ticks === null) return () => undefined;
    return this.#note(`${pid}-${ticks}`);
  }

  /** Notes the folder of the socket, which a killed server cannot remove. */
  rememberFolder(folder: string): () => void {
    return this.#note(basename(folder));
  }

  /** Ends and removes what an earlier server left; resolves when it is gone. */
  async end(clock: Clock, log: Log): Promise<void> {
    for (const name of readdirSync(this.#folder)) {
      const [, pidText, ticks] = /^(\d+)-(\d+)$/.exec(name) ?? [];
      if (pidText !== undefined && ticks !== undefined) await endProcess(Number(pidText), ticks, clock, log);
      else if (name.startsWith(folderPrefix)) {
        for (const parent of new Set([tmpdir(), '/tmp'])) rmSync(join(parent, name), { recursive: true, force: true });
      }
      if (name.startsWith(treePrefix)) await new ProcessTree(this.#trees, name.slice(treePrefix.length)).end(clock, log);
      rmSync(join(this.#folder, name), { force: true });
    }
    rmSync(this.#trees, { recursive: true, force: true });
  }

  #note(name: string): () => void {
    const note = join(this.#folder, name);
    writeFileSync(note, '', { mode: 0o600 });
    return () => rmSync(note, { force: true });
  }
}

async function endProcess(pid: number, ticks: string, clock: Clock, log: Log): Promise<void> {
  const isThere = () => startTicks(pid) === ticks;
  // After a reboot the ticks count anew: look at the name, too, before ending anything.
  if (!isThere() || !/penstock-worker|worker-main/.test(commandLine(pid) ?? '')) return;
  log.warn({ pid }, 'ending a worker that an earlier server left behind');
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // it ended just now
  }
  const untilMs = clock.nowMs() + endWaitMs;
  while (isThere() && clock.nowMs() < untilMs) await new Promise<void>((resolve) => clock.after(pollMs, resolve));
}
