/** The interpreters that environments are built with: those of config.json by name, others by path, and the default. */
import { PlatformError } from '../errors.ts';
import { findInterpreter, type Interpreter, inspectInterpreter } from './interpreter.ts';
import { defaultName } from './settings.ts';

const cacheMax = 100;

/** Facts are read once per path, by running the interpreter. */
export class Interpreters {
  readonly #named: ReadonlyMap<string, string>;
  /** By path. An interpreter that is replaced while the server runs is noticed at the next start. */
  readonly #known = new Map<string, Interpreter>();
  #first: Promise<Interpreter | null> | null = null;

  constructor(named: ReadonlyMap<string, string>) {
    this.#named = named;
  }

  /** Null: the default one. Throws `not_found`, `unavailable` or `unsupported`. */
  async find(nameOrPath: string | null): Promise<Interpreter> {
    if (nameOrPath?.startsWith('/')) return this.inspect(nameOrPath);
    const path = this.#named.get((nameOrPath ?? defaultName).toLowerCase());
    if (path !== undefined) return this.inspect(path);
    if (nameOrPath !== null && nameOrPath.toLowerCase() !== defaultName) {
      const known = [defaultName, ...this.#named.keys()].join(', ');
      throw new PlatformError(
        'not_found',
        `there is no interpreter '${nameOrPath}': expected one of ${known}, or environments.${nameOrPath}.python in config.json`,
      );
    }
    this.#first ??= findInterpreter();
    const found = await this.#first;
    if (found !== null) return found;
    this.#first = null; // it may be installed later
    throw new PlatformError(
      'unavailable',
      'no python3 of 3.9 or newer is on the PATH of the server: install one, or set environments.default.python in config.json',
    );
  }

  /** Asks the interpreter once for its version and platform; later calls use the result. A failure is not kept. */
  async inspect(path: string): Promise<Interpreter> {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const found = await inspectInterpreter(path);
    if (this.#known.size >= cacheMax) this.#known.clear();
    this.#known.set(path, found);
    return found;
  }

  /** An interpreter of the version and platform of an environment. Throws `unavailable` if this machine has none. */
  async like({ python, pythonVersion, platform }: { python: string; pythonVersion: string; platform: string }): Promise<Interpreter> {
    const others = [...this.#named.keys()].map((name) => () => this.find(name));
    for (const look of [() => this.inspect(python), () => this.find(null), ...others]) {
      const found = await look().catch(() => null);
      if (found?.version === pythonVersion && found.platform === platform) return found;
    }
    throw new PlatformError(
      'unavailable',
      `the environment needs Python ${pythonVersion} on ${platform}, which is no longer at ${python}. ` +
        'Install it, name it in config.json (environments.NAME.python), or make a new environment',
    );
  }
}
