/** What workers need of their hosts, as far as the home knows it: facts of Python environments are read once, before a worker is placed. */
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { WorkerSpec } from '../providers/index.ts';
import type { EnvironmentRef } from '../python-model.ts';
import type { WorkerRequirements } from './abilities.ts';
import type { HomeArchive } from './remote-host.ts';

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
