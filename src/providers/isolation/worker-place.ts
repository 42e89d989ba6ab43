/** The isolated environment of a worker: its folders, user and permissions. Created by `Isolation`. */
import type { Clock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import type { WorkerFiles } from '../../runtime/index.ts';
import type { WrittenFiles } from '../disk/file-use.ts';
import { removeSystemV, removeTree, sharedMemoryOf } from '../disk/remove-tree.ts';
import { endProcesses, processesOf } from '../processes/process-facts.ts';
import type { Launch } from './launch.ts';
import type { UidPool } from './uid-pool.ts';
import type { WorkerFolder, WorkerOwner } from './worker-folder.ts';

/** What a worker sees, whichever mode isolates it. */
export interface WorkerPlace {
  readonly files: WorkerFiles;
  /** The folder in which a process archive is unpacked and to which the worker can write, as seen by the worker. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The socket to connect to, as seen by the worker. */
  readonly socketPath: string;
  /** The user of the worker; null if it is the server's own. */
  readonly owner: WorkerOwner | null;
  /** The spawned process is `unshare`, the worker its grandchild. */
  readonly isNamespaced: boolean;
  /** Where it writes, on the host. */
  readonly writes: Pick<WrittenFiles, 'folders' | 'sharedMemoryOf'>;
  launch(command: readonly string[]): Launch;
  /** Called after its process has ended: ends remaining processes and removes its folder. Does not throw. */
  end(clock: Clock, log: Log): Promise<void>;
}

/** The parts that `Isolation` chose for one worker. */
export interface IsolatedWorkerOptions {
  readonly folder: WorkerFolder;
  readonly owner: WorkerOwner | null;
  readonly uids: UidPool;
  readonly environment: Readonly<Record<string, string>>;
  readonly socketPath: string;
  readonly isNamespaced: boolean;
  readonly launch: (command: readonly string[]) => Launch;
  readonly ended: () => void;
}

/** The place of an isolated worker; its end returns the user id. */
export class IsolatedWorker implements WorkerPlace {
  readonly files: WorkerFolder;
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly socketPath: string;
  readonly owner: WorkerOwner | null;
  readonly isNamespaced: boolean;
  readonly writes: WorkerPlace['writes'];
  readonly #options: IsolatedWorkerOptions;
  #hasEnded = false;

  constructor(options: IsolatedWorkerOptions) {
    this.#options = options;
    this.files = options.folder;
    this.directory = options.folder.names.work;
    this.environment = options.environment;
    this.socketPath = options.socketPath;
    this.owner = options.owner;
    this.isNamespaced = options.isNamespaced;
    const { work, temporary } = options.folder.host;
    // Namespaces have shared memory of their own, and without an own user a worker cannot write to that of the machine.
    const sharedMemoryOf = options.isNamespaced ? null : (options.owner?.uid ?? null);
    this.writes = { folders: [work, temporary], sharedMemoryOf };
  }

  launch(command: readonly string[]): Launch {
    return this.#options.launch(command);
  }

  /** Ends what remains of the worker's processes and frees its user id, then removes its folder. Never throws. */
  async end(clock: Clock, log: Log): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { folder } = this.#options;
    try {
      await releaseOwner({ ...this.#options, sharedMemoryOf: this.writes.sharedMemoryOf }, clock, log);
      await folder.remove();
    } catch (error) {
      log.warn({ folder: folder.path, error: String(error) }, 'failed to remove the folder of a worker');
    }
  }
}

/** The user of a worker that has ended, whose shared memory must be removed before the id is used again. */
export interface ReleasedOwner extends Pick<IsolatedWorkerOptions, 'owner' | 'uids' | 'ended'> {
  readonly sharedMemoryOf: number | null;
}

/** Ends what remains of a user's processes, and frees the user id. */
export async function releaseOwner({ owner, uids, ended, sharedMemoryOf }: ReleasedOwner, clock: Clock, log: Log): Promise<void> {
  const hasEnded = owner === null || (await endProcesses(() => processesOf(owner.uid), clock));
  if (hasEnded) ended();
  if (!hasEnded) log.error({ uid: owner?.uid }, 'failed to end processes of a worker: their user id will not be reused');
  if (hasEnded && sharedMemoryOf !== null) await removeShared(sharedMemoryOf);
  if (hasEnded && owner !== null) uids.release(owner.uid);
}

/** The next worker of this user would read it. */
async function removeShared(uid: number): Promise<void> {
  for (const path of await sharedMemoryOf(uid)) await removeTree(path);
  await removeSystemV(uid);
}
