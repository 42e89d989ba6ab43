/** What workers need of their hosts, as far as the home knows it: facts of Python environments are read once, before a worker is placed. */
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { WorkerSpec } from '../providers/index.ts';
import type { EnvironmentRef } from '../python-model.ts';
import type { WorkerRequirements } from './abilities.ts';
import type { HomeArchive } from './host-objects.ts';

/** What the home knows of the Python of an environment. */
export interface EnvironmentFacts {
  /** `3.11.7` */
  readonly version: string;
  /** `linux-x86_64` */
  readonly platform: string;
}

/** Python models as the home runs them. */
export interface HomePython {
  /** Whether they reach the network: those on hosts never do. */
  readonly hasNetwork: boolean;
  /** Rejects if there is no such environment. */
  readonly factsOf: (environment: EnvironmentRef) => Promise<EnvironmentFacts>;
  /** The lock of the environment of a name; null if it has none. Absent: no environment has a name. */
  readonly lockNamed?: (name: string) => Promise<string | null>;
  /** Versions of the packages of an interpreter without a lock. Absent: tasks with one stay on the home. */
  readonly packagesOf?: (name: string | null) => Promise<Readonly<Record<string, string>>>;
  /** Rejects if it cannot be made. */
  readonly archiveOf: (lock: string) => Promise<HomeArchive>;
}

export interface KnownRequirementsDeps {
  readonly log: Log;
  /** Whether the machine of the home confines foreign code. */
  readonly isConfined: () => boolean;
  /** Absent: Python models stay on the home. */
  readonly python?: HomePython;
}

export class KnownRequirements {
  readonly #deps: KnownRequirementsDeps;
  readonly #facts = new Map<string, EnvironmentFacts>();
  /** Of environments that tasks have named, by their names. */
  readonly #locks = new Map<string, string>();
  /** Of interpreters without a lock, by the name of the environment. */
  readonly #packages = new Map<string, Readonly<Record<string, string>>>();

  constructor(deps: KnownRequirementsDeps) {
    this.#deps = deps;
  }

  /** Reads what `of` needs to know. Does not reject: without it, the worker stays on the home. */
  async learn({ id, python }: WorkerSpec): Promise<void> {
    const home = this.#deps.python;
    if (python === undefined || home === undefined || home.hasNetwork || this.#facts.has(keyOf(python.environment))) return;
    try {
      this.#facts.set(keyOf(python.environment), await home.factsOf(python.environment));
    } catch (error) {
      this.#deps.log.warn({ worker: id, error: messageOf(error) }, 'the environment of a worker is not known: it stays on this machine');
    }
  }

  /** As `learn`, for a task. One that waits names its environment only, whose lock is that of its next attempt. */
  async learnTask(environment: EnvironmentRef | null): Promise<void> {
    const home = this.#deps.python;
    if (environment === null || home === undefined) return;
    const { name, lock } = environment;
    // The name may have another lock by now.
    if (name !== null && lock !== null) this.#locks.set(name.toLowerCase(), lock);
    if (this.ofTask(environment) !== null) return;
    try {
      const named = lock ?? (name === null ? null : await home.lockNamed?.(name)) ?? null;
      const facts = await home.factsOf({ name, lock: named });
      if (named !== null && name !== null) this.#locks.set(name.toLowerCase(), named);
      if (named === null && home.packagesOf !== undefined) this.#packages.set(keyOf(environment), await home.packagesOf(name));
      this.#facts.set(keyOf({ name, lock: named }), facts);
    } catch (error) {
      this.#deps.log.debug({ environment, error: messageOf(error) }, 'the environment of a task is not known yet');
    }
  }

  /** What any code of a task may import is not known, so without a lock all packages must be the same. Null: it runs on the home only. */
  ofTask(environment: EnvironmentRef | null): WorkerRequirements | null {
    const code = this.#deps.isConfined() ? 'confined' : 'foreign';
    if (environment === null) return { code, architecture: process.arch, python: null, isTask: true };
    const { name } = environment;
    const lock = environment.lock ?? this.#locks.get((name ?? '').toLowerCase()) ?? null;
    const key = keyOf({ name, lock });
    const facts = this.#facts.get(key);
    const libraries = lock === null ? this.#packages.get(key) : {};
    if (facts === undefined || libraries === undefined) return null;
    const { version, platform } = facts;
    const python = { name: (name ?? 'default').toLowerCase(), lock, version, platform, libraries };
    return { code, architecture: null, python, isTask: true };
  }

  /** Null: its Python is only on the machine of the home. */
  of({ python, process: program, plans }: WorkerSpec): WorkerRequirements | null {
    if (python === undefined && program === undefined) return { code: 'none', architecture: null, python: null };
    const code = this.#deps.isConfined() ? 'confined' : 'foreign';
    if (python === undefined) return { code, architecture: process.arch, python: null };
    const { name, lock } = python.environment;
    const facts = this.#facts.get(keyOf(python.environment));
    if (facts === undefined) return null;
    const models = [python, ...(plans?.others ?? []).map((other) => other.python)];
    const libraries = lock === null ? Object.fromEntries(models.flatMap((model) => Object.entries(model?.libraries ?? {}))) : {};
    const { version, platform } = facts;
    return { code, architecture: null, python: { name: (name ?? 'default').toLowerCase(), lock, version, platform, libraries } };
  }
}

function keyOf({ name, lock }: EnvironmentRef): string {
  return lock ?? `name:${(name ?? 'default').toLowerCase()}`;
}
