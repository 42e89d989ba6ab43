/** Environments of a host: made from archives of the home when a worker needs one, and deleted when nothing has used them for a week. */
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, Loop } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import { ConcurrencyLimiter } from '../providers/index.ts';
import { type BuildDeps, buildEnvironment } from './build.ts';
import { factsFile } from './environment-archive.ts';
import { removeFolder } from './folders.ts';
import { type Interpreter, isExecutable } from './interpreter.ts';
import { endLeftovers } from './leftovers.ts';
import { environmentSettings } from './settings.ts';
import { unusedMs } from './sweep.ts';

/** An archive on this machine, as it was fetched. */
export interface FetchedArchive {
  /** Verified: it has the content that the home said. */
  readonly path: string;
  /** The folder of the environment on the home. */
  readonly root: string;
  readonly version: string;
  readonly platform: string;
  /** The copy is not needed any more. */
  readonly drop: () => Promise<void>;
}

export interface ArchivedEnvironmentsDeps extends Pick<BuildDeps, 'limitMemory'> {
  readonly clock: Clock;
  readonly log: Log;
  /** Of all environments; it need not exist. */
  readonly directory: string;
  readonly interpreters: readonly Interpreter[];
  /** Rejects with the reason. */
  readonly fetch: (key: string) => Promise<FetchedArchive>;
  /** Keys of the environments of workers. */
  readonly inUse: () => ReadonlySet<string>;
}

const sweepEveryMs = 3_600_000;
const keyPattern = /^[0-9a-f]{64}$/;

export class ArchivedEnvironments {
  readonly #deps: ArchivedEnvironmentsDeps;
  /** One at a time: they use the disk and the processors of serving workers. */
  readonly #builds = new ConcurrencyLimiter(1);
  readonly #building = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  #sweeps: Loop | null = null;

  constructor(deps: ArchivedEnvironmentsDeps) {
    this.#deps = deps;
  }

  /** Removes what a killed agent left half-built. */
  async open(): Promise<void> {
    const { clock, log, directory } = this.#deps;
    await mkdir(directory, { recursive: true, mode: 0o711 });
    await endLeftovers(directory, log);
    const onFailure = (error: unknown): void => log.warn({ error: messageOf(error) }, 'failed to delete unused environments, will retry');
    this.#sweeps = new Loop({ clock, everyMs: sweepEveryMs, run: () => this.sweep(), onFailure });
    this.#sweeps.open();
  }

  async close(): Promise<void> {
    this.#stop.abort(new PlatformError('unavailable', 'the agent stops'));
    await this.#sweeps?.close();
    await Promise.allSettled(this.#building.values());
  }

  /** Makes the environment if needed; concurrent calls share that. Rejects with the reason if it cannot be made. */
  async find(key: string): Promise<{ readonly interpreter: string; readonly paths: readonly string[] }> {
    if (!keyPattern.test(key)) throw new PlatformError('invalid_request', 'the key of an environment has 64 hexadecimal digits');
    const folder = join(this.#deps.directory, key);
    const python = join(folder, 'bin/python');
    if (!(await isExecutable(python))) await this.#made(key);
    const now = this.#deps.clock.wallMs() / 1000;
    await utimes(folder, now, now);
    const { python_version: version, platform } = JSON.parse(await readFile(join(folder, factsFile), 'utf8')) as Record<string, string>;
    const { folders } = this.#like(version ?? '', platform ?? '');
    return { interpreter: python, paths: [folder, ...folders] };
  }

  /** Deletes environments that no worker of this host has used for a week. */
  async sweep(): Promise<void> {
    const { clock, directory, inUse, log } = this.#deps;
    const used = inUse();
    const cutoffMs = clock.wallMs() - unusedMs;
    for (const key of (await readdir(directory)).filter((name) => keyPattern.test(name) && !used.has(name) && !this.#building.has(name))) {
      const folder = join(directory, key);
      if ((await lstat(folder)).mtimeMs >= cutoffMs) continue;
      await rename(folder, `${folder}.unused.tmp`);
      await removeFolder(`${folder}.unused.tmp`);
      log.info({ lock: key }, 'deleted an environment that nothing has used for 7 days');
    }
  }

  #made(key: string): Promise<void> {
    const running = this.#building.get(key);
    if (running !== undefined) return running;
    const making = this.#make(key).finally(() => this.#building.delete(key));
    this.#building.set(key, making);
    return making;
  }

  async #make(key: string): Promise<void> {
    const { clock, log, directory, fetch, limitMemory } = this.#deps;
    const leave = await this.#builds.enter();
    try {
      this.#stop.signal.throwIfAborted();
      const startedMs = clock.nowMs();
      const { path, root, version, platform, drop } = await fetch(key);
      try {
        const request = { id: randomUUID(), interpreter: this.#like(version, platform), packages: { archive: { path, root, key } } };
        const onLine = (line: string): void => log.debug({ lock: key, line }, 'an environment is made');
        const { build: settings } = environmentSettings(null);
        const deps = { clock, directory, settings, onLine, countCode: () => () => undefined, limitMemory };
        const { bytes, files } = await buildEnvironment(request, deps, this.#stop.signal);
        log.info({ lock: key, bytes, files, ms: Math.round(clock.nowMs() - startedMs) }, 'an environment was made');
      } finally {
        await drop();
      }
    } finally {
      leave();
    }
  }

  #like(version: string, platform: string): Interpreter {
    const found = this.#deps.interpreters.find((each) => each.version === version && each.platform === platform);
    if (found !== undefined) return found;
    throw new PlatformError(
      'unavailable',
      `the environment needs Python ${version} on ${platform}, which this host does not have (--python)`,
    );
  }
}
