/** What a host may read of the home: what its workers load, the archives of their environments, and what its tasks are given. Nothing else. */
import { PlatformError } from '../errors.ts';
import type { WorkerSpec } from '../providers/index.ts';
import type { SentArchive } from './agent/agent-link.ts';
import type { HostTasks } from './host-tasks.ts';
import { type ReadRange, readFileRange } from './link/object-ranges.ts';
import type { ObjectQuery } from './link/peer-messages.ts';
import type { AskingHost, ObjectPeers } from './object-peers.ts';

/** An archive that the home sends. */
export interface HomeArchive extends SentArchive {
  readonly path: string;
}

export interface HostObjectsDeps {
  /** The name of the host. */
  readonly host: string;
  /** The path of an object on the home. */
  readonly fetch: (sha256: string) => Promise<string>;
  /** The archive of a Python environment, on the home. Absent: there are none. */
  readonly archiveOf?: (lock: string) => Promise<HomeArchive>;
  readonly peers: ObjectPeers;
  readonly tasks: Pick<HostTasks, 'locks' | 'lent'>;
  /** Specifications of the workers of the host. */
  readonly specs: () => readonly WorkerSpec[];
}

export class HostObjects {
  readonly #deps: HostObjectsDeps;
  /** Of environments of its workers and tasks, by lock. */
  readonly #archives = new Map<string, HomeArchive>();

  constructor(deps: HostObjectsDeps) {
    this.#deps = deps;
  }

  /** Rejects with `forbidden` for an object that the host has no use for. */
  async readRange(sha256: string, start: number): Promise<ReadRange> {
    return readFileRange(await this.#fetch(sha256), start);
  }

  /** Rejects with `forbidden` for the lock of an environment that the host has no use for. */
  async archiveOf(lock: string): Promise<HomeArchive> {
    const { archiveOf, host } = this.#deps;
    const locks = this.#locks();
    if (archiveOf === undefined || !locks.has(lock))
      throw new PlatformError('forbidden', `no worker of host ${host} runs in environment ${lock.slice(0, 12)}`);
    for (const known of this.#archives.keys()) if (!locks.has(known)) this.#archives.delete(known);
    const archive = await archiveOf(lock);
    this.#archives.set(lock, archive);
    return archive;
  }

  /** `asking`: the host. Rejects as `readRange`. */
  async answer(query: ObjectQuery, asking: AskingHost): Promise<object> {
    const path = await this.#fetch(query.sha256);
    const { peers } = this.#deps;
    if (query.method === 'digests') return { digests: await peers.digests(query.sha256, path, query.start) };
    return { peers: await peers.find(asking, query.sha256, query.without) };
  }

  #locks(): ReadonlySet<string> {
    const { specs, tasks } = this.#deps;
    return new Set([...specs().flatMap(({ python }) => python?.environment.lock ?? []), ...tasks.locks]);
  }

  async #fetch(sha256: string): Promise<string> {
    const { specs, tasks, fetch, host } = this.#deps;
    const archive = [...this.#locks()].map((lock) => this.#archives.get(lock)).find((each) => each?.sha256 === sha256);
    if (archive !== undefined) return archive.path;
    const lent = tasks.lent(sha256);
    if (lent !== undefined) return lent();
    if (!specs().some((spec) => loads(spec, sha256)))
      throw new PlatformError('forbidden', `no worker of host ${host} loads the object ${sha256}`);
    return fetch(sha256);
  }
}

function loads({ artifact, plans }: WorkerSpec, sha256: string): boolean {
  const artifacts = [artifact, ...(plans?.others ?? [])];
  return artifacts.some((each) => [each, ...(each.data ?? [])].some((file) => file.sha256 === sha256));
}
