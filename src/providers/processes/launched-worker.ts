/** Starts the process of a worker, isolated, and cleans up after it. `worker-process.ts` waits for its hello. */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import {
  type CollectedFile,
  type DataFile,
  inheritedChannel,
  type LentFile,
  receiveHello,
  SharedMemory,
  sharedFiles,
  type WorkerFiles,
  workerMainPath,
} from '../../runtime/index.ts';
import type { Cgroups } from '../cgroups/cgroups.ts';
import type { WrittenFiles } from '../disk/file-use.ts';
import type { Leftovers } from '../disk/leftovers.ts';
import { type Isolation, inheritedNames } from '../isolation/isolation.ts';
import { type FileChange, WorkerFolder } from '../isolation/worker-folder.ts';
import type { WorkerPlace } from '../isolation/worker-place.ts';
import { type PythonProgram, pythonCommand, pythonPaths, pythonVariables } from '../python/python-program.ts';
import { markedProcesses, processesOf } from './process-facts.ts';
import type { ProcessTree } from './process-tree.ts';
import { type Spawned, SpawnedProcess } from './spawned.ts';
import type { ExpectedWorker, WorkerListener } from './worker-listener.ts';

/** What every start of a process needs. */
export interface WorkerProcessDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly listener: WorkerListener;
  readonly leftovers: Leftovers;
  readonly cgroups: Cgroups;
  readonly isolation: Isolation;
  readonly changeModel: FileChange | undefined;
}

/** WebAssembly (used by Node for TypeScript) reserves 10 GiB of addresses by default: more than the limit allows. */
export const nodeOptions = ['--disable-wasm-trap-handler'];

/** The threads of V8, which compile and collect now and then, would keep heaps of their own: 2 MiB, nearly all of it free. */
const onnxVariables = { MALLOC_ARENA_MAX: '1' };

/** Set if the worker will start a command. Such a worker does not load onnxruntime. */
export interface CommandAccess {
  readonly kind: 'process';
  /** False only for a command whose code is the operator's own, if config.json says so. */
  readonly isIsolated: boolean;
  /** Host files and folders that it can read. */
  readonly paths: readonly string[];
}

/** Null: the worker of ONNX models. */
export type WorkerProgram = CommandAccess | PythonProgram | null;

/** A started process that has not said hello yet. */
export interface LaunchedWorker {
  readonly kind: 'onnx' | 'process' | 'python';
  readonly spawned: Spawned;
  /** Resolves with the connection of the worker once it has authenticated, or with the reason why it is not admitted. */
  readonly arrival: Promise<Socket | string>;
  /** Resolves when it has ended and nothing of it remains: neither processes nor folders. */
  readonly ended: Promise<string>;
  readonly owner: WorkerPlace['owner'];
  readonly memory: SharedMemory | null;
  readonly files: WorkerFiles;
  readonly written: WrittenFiles;
  /** The processes of a worker that starts any; otherwise null. */
  readonly tree: ProcessTree | null;
  /** The model's path for a command, as seen by the worker; null for a worker of ONNX models. */
  readonly directory: string | null;
  /** The worker is no longer admitted. */
  cancel(): void;
}

/** Spawns a worker. Throws `unavailable` if a command must be isolated and no isolation works here; then nothing of the worker remains. */
export async function spawnWorker(deps: WorkerProcessDeps, access: WorkerProgram): Promise<LaunchedWorker> {
  const { clock, log, listener, leftovers } = deps;
  const expected = access === null ? expectInherited() : listener.expect();
  const { workerId } = expected;
  let place: WorkerPlace | null = null;
  let grown: ReturnType<Leftovers['treeOf']> | null = null;
  let memory: SharedMemory | null = null;
  let spawned: SpawnedProcess;
  try {
    place = placeOf(deps, workerId, access);
    grown = access === null ? null : leftovers.treeOf(workerId);
    memory = SharedMemory.create(workerId);
    const own = variablesOf(access, grown?.tree ?? null, place);
    spawned = new SpawnedProcess({
      clock,
      ...launchOf(place, commandOf(access, place?.socketPath ?? listener.path, workerId)),
      cwd: listener.folder, // private, and removed at the end: a crash may leave a core dump
      environment: { ...(place?.environment ?? openEnvironment(deps)), ...own, PENSTOCK_WORKER_TOKEN: expected.token },
      memoryFd: memory?.fd ?? null,
      hasChannel: access === null,
      isNamespaced: place?.isNamespaced === true,
      startsProcesses: grown !== null,
    });
  } catch (error) {
    // The disk is full or memory is exhausted: nothing of the worker remains.
    expected.cancel();
    memory?.close();
    grown?.discard();
    await place?.end(clock, log);
    throw error;
  }
  const files = place?.files ?? new OpenFiles(join(leftovers.workersDirectory, `${workerId}-files`), deps.changeModel);
  const isForeign = access !== null && (access.kind === 'python' || access.isIsolated);
  const uncount = isForeign && place === null ? deps.isolation.countUnconfined() : null;
  const ended = spawned.ended.then(async (how) => {
    await grown?.tree.end(clock, log);
    await place?.end(clock, log);
    if (files instanceof OpenFiles) await files.remove();
    uncount?.();
    grown?.discard();
    return how;
  });
  if (spawned.outerPid !== null) void ended.then(leftovers.remember(spawned.outerPid));
  return {
    kind: access?.kind ?? 'onnx',
    spawned,
    arrival: spawned.channel === null ? expected.arrival : inheritedArrival(spawned.channel),
    ended,
    owner: place?.owner ?? null,
    memory,
    files,
    written: {
      ...(place?.writes ?? { folders: [], sharedMemoryOf: null }), // without isolation it can write anywhere
      processes: () => allProcesses(spawned, place, grown?.tree ?? null),
    },
    tree: grown?.tree ?? null,
    directory: grown === null ? null : (place?.directory ?? grown.tree.directory),
    cancel: () => expected.cancel(),
  };
}

/** A worker that inherits its connection needs no token, and connects to nothing. */
function expectInherited(): ExpectedWorker {
  const never = new Promise<Socket>(() => undefined);
  return { workerId: randomBytes(8).toString('hex'), token: '', arrival: never, cancel: () => undefined };
}

/** Resolves with the reason if a worker sends anything but its hello. Stays pending if the connection closes before: its end has the reason. */
export function inheritedArrival(channel: Socket): Promise<Socket | string> {
  channel.on('error', () => undefined); // until the link listens
  return new Promise((resolve) => {
    receiveHello(channel).then(
      () => resolve(channel),
      (error: unknown) => {
        if (!channel.destroyed) resolve(`it did not identify itself: ${messageOf(error)}`);
      },
    );
  });
}

/** Without a namespace, processes can leave the worker's tree. */
function allProcesses(spawned: Spawned, place: WorkerPlace | null, tree: ProcessTree | null): readonly number[] {
  if (place?.isNamespaced === true) return spawned.processes;
  const owner = place?.owner ?? null;
  const marked = tree === null ? [] : markedProcesses(tree.mark.name, tree.mark.value);
  const escaped = owner === null ? marked : processesOf(owner.uid);
  return [...new Set([...spawned.processes, ...escaped])];
}

/** Null if the worker runs without isolation, like the server. */
function placeOf({ isolation }: WorkerProcessDeps, workerId: string, access: WorkerProgram): WorkerPlace | null {
  // A model file is not code, but a hostile one could take over the native parser.
  if (access === null) return isolation.place({ workerId, isForeign: false, hasNetwork: false, paths: [] });
  if (access.kind === 'python') {
    const { hasNetwork } = access;
    return isolation.place({ workerId, isForeign: true, hasNetwork, paths: pythonPaths(access) });
  }
  return access.isIsolated ? isolation.place({ workerId, isForeign: true, hasNetwork: true, paths: access.paths }) : null;
}

function launchOf(place: WorkerPlace | null, command: readonly string[]): { readonly program: string; readonly args: readonly string[] } {
  const [program = '', ...args] = command;
  return place?.launch(command) ?? { program, args };
}

function commandOf(access: WorkerProgram, socketPath: string, workerId: string): readonly string[] {
  if (access?.kind === 'python') return pythonCommand(access, socketPath, workerId);
  const [connection, kind] = access === null ? [inheritedChannel, 'onnx'] : [socketPath, 'process'];
  return [process.execPath, ...nodeOptions, workerMainPath, connection, workerId, kind];
}

function variablesOf(access: WorkerProgram, tree: ProcessTree | null, place: WorkerPlace | null): Readonly<Record<string, string>> {
  if (access === null) return onnxVariables;
  if (access.kind === 'process') return {};
  return { ...pythonVariables(access), ...(tree === null ? {} : markOf(tree, place)) };
}

/** The mark identifies the processes that a model starts. Without isolation, the folder of the tree is the model's own. */
function markOf({ mark, directory }: ProcessTree, place: WorkerPlace | null): Readonly<Record<string, string>> {
  return { [mark.name]: mark.value, ...(place === null ? { HOME: directory, TMPDIR: directory } : {}) };
}

/** The environment of a worker that is not isolated. */
function openEnvironment({ isolation }: WorkerProcessDeps): Record<string, string> {
  const retained = [...inheritedNames, 'HOME', 'TMPDIR'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(retained), NODE_COMPILE_CACHE: isolation.compileCache.path };
}

/** File access of a worker without isolation: it sees the files of the server. Only a model in several files is linked into a folder. */
class OpenFiles implements WorkerFiles {
  readonly #path: string;
  readonly #change: FileChange | undefined;
  #folder: WorkerFolder | null = null;

  /** `path` is created if it is needed. */
  constructor(path: string, change: FileChange | undefined) {
    this.#path = path;
    this.#change = change;
  }

  lend(path: string, data: readonly DataFile[] = []): LentFile {
    if (data.length === 0) return sharedFiles.lend(path);
    this.#folder ??= new WorkerFolder(this.#path, null, null, this.#change);
    return this.#folder.lend(path, data);
  }

  lendFolder(files: readonly DataFile[]): LentFile {
    this.#folder ??= new WorkerFolder(this.#path, null, null, this.#change);
    return this.#folder.lendFolder(files);
  }

  collect(target: string): CollectedFile {
    return sharedFiles.collect(target);
  }

  async remove(): Promise<void> {
    await this.#folder?.remove();
  }
}
