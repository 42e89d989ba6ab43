/** Python models: how they are recognised, opened and started on this server. */
import { readFile } from 'node:fs/promises';
import type { Config } from '../config.ts';
import { defined } from '../defined.ts';
import { PlatformError } from '../errors.ts';
import { type Provider, type PythonHost, type PythonSettings, pythonSettings } from '../providers/index.ts';
import { recogniseModel } from '../python-files/index.ts';
import type { EnvironmentRef } from '../python-model.ts';
import type { OpenModel, Recognise, Registry } from '../registry/index.ts';
import type { DataFile } from '../runtime/index.ts';
import type { ThreadPool } from '../threads/index.ts';
import { type PythonEnvironments } from './environments.ts';

const requirementsBytesMax = 64 * 1024;

export interface PythonModelDeps {
  readonly provider: Pick<Provider, 'borrow'>;
  readonly threads: ThreadPool;
  readonly interpreters: LateInterpreters;
  readonly filesOf: Registry['verifiedModelFiles'];
}

/** What the registry needs of Python models: they are read, and opened unless this server runs none. */
export function pythonModels(config: Config, { provider, threads, interpreters, filesOf }: PythonModelDeps) {
  const settings = pythonSettings(config.python, config);
  const openPython = settings.run === 'off' ? {} : { openPython: openingBy(provider, settings, { filesOf, environments: interpreters }) };
  const expectEnvironment = (name: string): Promise<void> => interpreters.expectNamed(name);
  return { recognise: recognitionBy(threads, config.artifactLimitBytes), expectEnvironment, ...openPython };
}

/** Reads models in a thread: their files are untrusted. */
function recognitionBy(threads: ThreadPool, bytesMax: number): Recognise {
  return (path, name, script) => recogniseModel(path, { limits: { bytesMax }, threads, name, ...defined({ script }) });
}

/** Opens models in borrowed workers. */
function openingBy(
  provider: Pick<Provider, 'borrow'>,
  { openMemoryMiB: memoryMiB, openTimeoutMs: timeoutMs }: PythonSettings,
  {
    filesOf,
    environments,
  }: { readonly filesOf: Registry['verifiedModelFiles']; readonly environments: Pick<PythonEnvironments, 'resolve'> },
): OpenModel {
  return async (version, sample, signal, onStage) => {
    onStage('environment');
    const { runtime } = version;
    if (runtime.kind !== 'python') throw new PlatformError('internal', `${version.name} is not a Python model`);
    const { flavour, entry, variables, inputs } = runtime;
    const { name } = runtime.environment;
    const { data = [] } = await filesOf(version);
    const own = name === null ? data.find((file) => file.name === version.python?.recognised.requirements) : undefined;
    const wanted = own === undefined ? { name, lock: null } : { requirements: await requirementsIn(own) };
    const { key: lock } = await environments.resolve(wanted, signal);
    const environment: EnvironmentRef = { name, lock };
    onStage('loading');
    return provider.borrow(
      async (link) => {
        signal.throwIfAborted();
        const stop = (): void => link.close();
        signal.addEventListener('abort', stop, { once: true });
        try {
          const request = { flavour, entry, sample, ...defined({ variables, inputs }) };
          const { note, notes, reason, ...opened } = await link.openPython(data, request, () => onStage('probe'));
          return { ...opened, notes: note === null ? notes : [...notes, note], batchableReason: reason, environment };
        } finally {
          signal.removeEventListener('abort', stop);
        }
      },
      { python: { environment, threads: 1 }, memoryMiB, timeoutMs },
    );
  };
}

async function requirementsIn({ path, name, bytes }: DataFile): Promise<string> {
  if (bytes > requirementsBytesMax) throw new PlatformError('too_large', `${name} has more than ${requirementsBytesMax} bytes`);
  return readFile(path, 'utf8');
}

type UsedByModels = 'resolve' | 'expectNamed' | 'factsOf' | 'lockNamed' | 'packagesOf' | 'archiveOf';

/** The environments are opened after the provider, which needs them only when a model starts. */
export class LateInterpreters {
  #environments: Pick<PythonEnvironments, UsedByModels> | null = null;

  use(environments: Pick<PythonEnvironments, UsedByModels>): void {
    this.#environments = environments;
  }

  /** Rejects with `unavailable` before that. */
  async resolve(...wanted: Parameters<PythonEnvironments['resolve']>): ReturnType<PythonEnvironments['resolve']> {
    return this.#opened().resolve(...wanted);
  }

  /** Rejects with `unavailable` before that, and with `invalid_request` if there is no environment of this name. */
  async expectNamed(name: string): Promise<void> {
    await this.#opened().expectNamed(name);
  }

  /** Rejects with `unavailable` before that, and as `PythonEnvironments.factsOf`. */
  async factsOf(environment: EnvironmentRef): ReturnType<PythonEnvironments['factsOf']> {
    return this.#opened().factsOf(environment);
  }

  /** Rejects with `unavailable` before that. */
  async lockNamed(name: string): ReturnType<PythonEnvironments['lockNamed']> {
    return this.#opened().lockNamed(name);
  }

  /** Rejects with `unavailable` before that, and as `PythonEnvironments.packagesOf`. */
  async packagesOf(name: string | null): ReturnType<PythonEnvironments['packagesOf']> {
    return this.#opened().packagesOf(name);
  }

  /** Rejects with `unavailable` before that, and as `PythonEnvironments.archiveOf`. */
  async archiveOf(lock: string): ReturnType<PythonEnvironments['archiveOf']> {
    return this.#opened().archiveOf(lock);
  }

  /** Rejects with `unavailable` or `not_found` if there is none. */
  async find(environment: EnvironmentRef): ReturnType<PythonHost['interpreterOf']> {
    const { python, paths } = await this.resolve(environment);
    return { interpreter: python, paths };
  }

  #opened(): Pick<PythonEnvironments, UsedByModels> {
    if (this.#environments !== null) return this.#environments;
    throw new PlatformError('unavailable', 'the server is starting: no environment is known yet');
  }
}
