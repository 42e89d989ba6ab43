/** The newest epoch of a home that a host has seen, also after a restart of its agent. Commands of older homes have no effect. */
import { readFileSync, rmSync } from 'node:fs';
import { systemCode, writeFileAtomically } from '../../data-directory/index.ts';
import { PlatformError } from '../../errors.ts';

export class EpochFence {
  readonly #path: string;
  #newest: number;

  private constructor(path: string, newest: number) {
    this.#path = path;
    this.#newest = newest;
  }

  /** Throws `wrong_state` if the file is damaged. */
  static open(path: string): EpochFence {
    try {
      const text = readFileSync(path, 'utf8').trim();
      if (!/^\d{1,15}$/.test(text)) throw new PlatformError('wrong_state', `${path} is damaged: expected a number. Delete the file`);
      return new EpochFence(path, Number(text));
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      return new EpochFence(path, 0);
    }
  }

  /** Before a host joins a cluster: epochs count from 1 in each, also in one that was restored from a backup. */
  static reset(path: string): void {
    rmSync(path, { force: true });
  }

  get newest(): number {
    return this.#newest;
  }

  /** A newer epoch is stored before its command has an effect. Throws `wrong_state` for an older one. */
  check(epoch: number): void {
    if (epoch < this.#newest) {
      const advice = 'If the database was restored, restart this host with a new join token';
      const message = `the command is of a home of epoch ${epoch}, but this host has seen epoch ${this.#newest}. ${advice}`;
      throw new PlatformError('wrong_state', message);
    }
    if (epoch === this.#newest) return;
    writeFileAtomically(this.#path, `${epoch}\n`, { mode: 0o600 });
    this.#newest = epoch;
  }
}
