/**
 * Injects file system errors: replaces functions of node:fs for the whole process and counts their calls. The selected call fails with a
 * system error, or reads or writes less than requested.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

export type Fault = 'EIO' | 'ENOSPC' | 'short';

type AnyFunction = (...parameters: never[]) => unknown;

const promised = ['open', 'mkdir', 'rename', 'readFile', 'stat', 'readdir'] as const;
const handled = ['write', 'writev', 'writeFile', 'sync', 'datasync', 'read', 'close'] as const;
const synchronous = ['openSync', 'writeFileSync', 'writeSync', 'fsyncSync', 'renameSync', 'readFileSync', 'closeSync'] as const;

export class FaultyFiles {
  /** Calls since the last `failAt`. */
  calls = 0;
  /** The function that failed; null if none has yet. */
  failed: string | null = null;
  #at = Number.POSITIVE_INFINITY;
  #fault: Fault = 'EIO';
  readonly #below: string;
  readonly #restore: (() => void)[] = [];

  /** Only files below `below` are affected, because the test itself uses others. */
  constructor(below: string) {
    this.#below = below;
    for (const name of promised) this.#replace(fs.promises, name, (original) => this.#wrapped(name, original));
    for (const name of synchronous) this.#replace(fs, name, (original) => this.#wrapped(name, original));
    syncBuiltinESMExports();
  }

  /** Makes the call with this number fail, counted from 0, and no other. */
  failAt(call: number, fault: Fault): void {
    this.calls = 0;
    this.failed = null;
    this.#at = call;
    this.#fault = fault;
  }

  heal(): void {
    this.#at = Number.POSITIVE_INFINITY;
  }

  restore(): void {
    for (const restore of this.#restore.splice(0)) restore();
    syncBuiltinESMExports();
  }

  #replace(owner: object, name: string, make: (original: AnyFunction) => AnyFunction): void {
    const original = Reflect.get(owner, name) as AnyFunction;
    Reflect.set(owner, name, make(original));
    this.#restore.push(() => void Reflect.set(owner, name, original));
  }

  #wrapped(name: string, original: AnyFunction): AnyFunction {
    return (...parameters: never[]): unknown => {
      const [path] = parameters as unknown[];
      const isOurs = typeof path === 'number' || (typeof path === 'string' && path.startsWith(this.#below));
      if (!isOurs) return original(...parameters);
      const fault = this.#count(name);
      if (fault !== null && fault !== 'short') {
        if (name === 'closeSync') original(...parameters); // The system closes the file anyway.
        if (name.endsWith('Sync')) throw systemError(name, fault);
        return Promise.reject(systemError(name, fault));
      }
      const result = original(...parameters);
      return name === 'open' ? (result as Promise<object>).then((handle) => this.#handle(handle)) : result;
    };
  }

  #handle(handle: object): object {
    for (const name of handled) {
      const original = Reflect.get(handle, name) as AnyFunction;
      const call = async (...parameters: never[]): Promise<unknown> => {
        const fault = this.#count(`handle.${name}`);
        if (fault === null) return original.apply(handle, parameters);
        if (fault !== 'short') {
          if (name === 'close') await original.apply(handle, parameters);
          throw systemError(name, fault);
        }
        const [bytes, from = 0] = parameters as unknown as [unknown, number?];
        if (name !== 'write' || !(bytes instanceof Uint8Array)) return original.apply(handle, parameters);
        return original.apply(handle, [bytes, from, Math.ceil((bytes.length - from) / 2)] as unknown as never[]);
      };
      Object.defineProperty(handle, name, { value: call, configurable: true });
    }
    return handle;
  }

  #count(name: string): Fault | null {
    if (this.calls++ !== this.#at) return null;
    this.failed = name;
    return this.#fault;
  }
}

function systemError(call: string, code: 'EIO' | 'ENOSPC'): Error {
  return Object.assign(new Error(`${code}: injected by the test, ${call}`), { code, syscall: call, errno: code === 'EIO' ? -5 : -28 });
}
