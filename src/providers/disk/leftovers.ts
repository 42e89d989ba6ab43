/**
 * Cleans up after a killed server. Workers end when their socket closes, but a worker in a long run notices that late. So a starting server
 * first ends the workers of its data directory. Each running process is recorded as an empty file named by pid and start time, so an
 * unrelated process with a reused pid is never touched.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import { commandLine, startTicks } from '../processes/process-facts.ts';
import { ProcessTree } from '../processes/process-tree.ts';
import { folderPrefix } from '../processes/worker-listener.ts';
import { removeTree } from './remove-tree.ts';

/** The kernel needs a moment to end a killed process, more if it holds much memory. */
const endWaitMs = 3_000;
const pollMs = 10;
const treePrefix = 'tree-';
const sharedMemory = '/dev/shm';
/** Prefix of the names of folders in the shared memory. */
const forkMemoryPrefix = 'penstock-fork-';

/** A pid alone is not trusted: the system reuses them, but not together with the start time. */
export class Leftovers {
  readonly #folder: string;
  /** Holds one folder per worker that is isolated or starts processes. */
  readonly workersDirectory: string;

  /** `stateDirectory` belongs to this server alone. */
  constructor(stateDirectory: string) {
    this.#folder = join(stateDirectory, 'workers');
    this.workersDirectory = join(stateDirectory, 'processes');
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Creates the process tree of a worker that will start processes. It is recorded before the first of these processes starts. */
  treeOf(workerId: string): { readonly tree: ProcessTree; readonly discard: () => void } {
    const tree = new ProcessTree(this.workersDirectory, workerId);
    mkdirSync(tree.directory, { recursive: true, mode: 0o700 });
    return { tree, discard: this.#note(`${treePrefix}${workerId}`) };
  }

  /** Records a process that was just started; the returned function deletes the record. */
  remember(pid: number): () => void {
    const ticks = startTicks(pid);
    if (ticks === null) return () => undefined;
    return this.#note(`${pid}-${ticks}`);
  }

  /** Records the folder of the socket, which a killed server cannot remove. */
  rememberFolder(folder: string): () => void {
    return this.#note(basename(folder));
  }

  /** The path of a new folder in the shared memory for a fork server. It is recorded before it exists. */
  forkMemory(workerId: string): { readonly path: string; readonly discard: () => void } {
    const name = `${forkMemoryPrefix}${process.pid}-${workerId}`;
    return { path: join(sharedMemory, name), discard: this.#note(name) };
  }

  /** Ends and removes everything an earlier server left behind; resolves when done. */
  async end(clock: Clock, log: Log): Promise<void> {
    for (const name of readdirSync(this.#folder)) {
      const [, pidText, ticks] = /^(\d+)-(\d+)$/.exec(name) ?? [];
      if (pidText !== undefined && ticks !== undefined) await endProcess(Number(pidText), ticks, clock, log);
      else if (name.startsWith(folderPrefix)) {
        for (const parent of new Set([tmpdir(), '/tmp'])) rmSync(join(parent, name), { recursive: true, force: true });
      }
      if (name.startsWith(forkMemoryPrefix)) rmSync(join(sharedMemory, name), { recursive: true, force: true });
      if (name.startsWith(treePrefix)) await new ProcessTree(this.workersDirectory, name.slice(treePrefix.length)).end(clock, log);
      rmSync(join(this.#folder, name), { force: true });
    }
    await removeTree(this.workersDirectory);
  }

  #note(name: string): () => void {
    const note = join(this.#folder, name);
    writeFileSync(note, '', { mode: 0o600 });
    return () => rmSync(note, { force: true });
  }
}

async function endProcess(pid: number, ticks: string, clock: Clock, log: Log): Promise<void> {
  const isThere = () => startTicks(pid) === ticks;
  // After a reboot the ticks restart: check the name too before ending anything.
  if (!isThere() || !/penstock[-_]worker|worker-main/.test(commandLine(pid) ?? '')) return;
  log.warn({ pid }, 'ending a worker left behind by an earlier server');
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // it ended just now
  }
  const untilMs = clock.nowMs() + endWaitMs;
  while (isThere() && clock.nowMs() < untilMs) await new Promise<void>((resolve) => clock.after(pollMs, resolve));
}
