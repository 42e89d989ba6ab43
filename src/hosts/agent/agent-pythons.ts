/** The Python interpreters of a host: what it reports of them, and which one a worker is started with. */

import { type ArchivedEnvironments, type Interpreter, Interpreters, installedPackages } from '../../environments/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { PythonHost } from '../../providers/index.ts';
import type { EnvironmentRef } from '../../python-model.ts';
import { type HostPython, packageKey } from '../abilities.ts';

/** As `penstock host --python` names them. */
export interface AgentPythonOptions {
  readonly log: Log;
  /** False: this host runs no Python. */
  readonly isEnabled: boolean;
  /** Absolute paths by name, in lower case. Without `default`, the `python3` on the PATH is it. */
  readonly named: ReadonlyMap<string, string>;
}

const defaultName = 'default';

export class AgentPythons {
  /** What is reported to the home. */
  readonly reported: readonly HostPython[];
  readonly #found: ReadonlyMap<string, Interpreter>;
  #environments: Pick<ArchivedEnvironments, 'find'> | null = null;

  private constructor(found: ReadonlyMap<string, Interpreter>, reported: readonly HostPython[]) {
    this.#found = found;
    this.reported = reported;
  }

  /** Runs each interpreter once. Throws `unavailable` or `unsupported` for a named one that cannot be used. */
  static async open({ log, isEnabled, named }: AgentPythonOptions): Promise<AgentPythons> {
    const found = new Map<string, Interpreter>();
    const reported: HostPython[] = [];
    if (isEnabled) {
      const interpreters = new Interpreters(named);
      for (const name of new Set([defaultName, ...named.keys()])) {
        try {
          const interpreter = await interpreters.find(name);
          const { version, platform, path } = interpreter;
          const packages = new Map((await installedPackages(path)).map((each) => [packageKey(each.name), each.version]));
          found.set(name, interpreter);
          reported.push({ name, version, platform, packages });
          log.info({ python: name, path, version, platform, packages: packages.size }, 'this host runs Python models');
        } catch (error) {
          if (named.has(name)) throw error;
          log.info({ reason: messageOf(error) }, 'this host has no default Python');
        }
      }
    }
    return new AgentPythons(found, reported);
  }

  get interpreters(): readonly Interpreter[] {
    return [...this.#found.values()];
  }

  /** From now on, workers start in environments. */
  use(environments: Pick<ArchivedEnvironments, 'find'>): void {
    this.#environments = environments;
  }

  /** Rejects with `unavailable` if this host has no such interpreter, and if the environment cannot be made. */
  readonly interpreterOf: PythonHost['interpreterOf'] = async ({ name, lock }: EnvironmentRef) => {
    if (lock !== null) {
      if (this.#environments === null) throw new PlatformError('unavailable', 'the agent of this host is starting: retry later');
      return this.#environments.find(lock);
    }
    const key = (name ?? defaultName).toLowerCase();
    const interpreter = this.#found.get(key);
    if (interpreter === undefined)
      throw new PlatformError('unavailable', `this host has no Python named ${key}: start it with --python ${key}=PATH`);
    return { interpreter: interpreter.path, paths: interpreter.folders };
  };
}
