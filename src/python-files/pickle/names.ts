/** The names that a pickle imports, each once, and what else it does that no library's file does. */
import { printable } from '../printable.ts';
import { MalformedPickle } from './malformed-pickle.ts';
import type { PickleInstance, PickleName } from './values.ts';

const namesMax = 10_000;
const oddMax = 20;
/** Names of modules in Python 2, which pickles of protocol 2 and below contain. */
const renamed: Readonly<Record<string, string>> = { __builtin__: 'builtins', copy_reg: 'copyreg' };
/** Tuples after them are read: datatypes and classes are their arguments. */
const interesting = new Set(['numpy.dtype', 'copyreg._reconstructor', 'copyreg.__newobj__']);

export class PickleNames {
  /** What an array of joblib becomes; not an import of the file. */
  readonly ndarray: PickleInstance = nameOf('numpy', 'ndarray').instance;
  readonly #byPath = new Map<string, PickleName>();
  readonly #odd = new Set<string>();

  get all(): PickleName[] {
    return [...this.#byPath.values()];
  }

  /** Sentences without subject: "calls a function that …". */
  get oddities(): readonly string[] {
    return [...this.#odd];
  }

  add(module: string, name: string): PickleName {
    const path = `${module}\0${name}`;
    const existing = this.#byPath.get(path);
    if (existing !== undefined) return existing;
    if (this.#byPath.size >= namesMax) throw new MalformedPickle(`it imports more than ${namesMax} names`);
    const added = nameOf(Object.hasOwn(renamed, module) ? (renamed[module] as string) : module, name);
    this.#byPath.set(path, added);
    return added;
  }

  odd(what: string): void {
    if (this.#odd.size < oddMax) this.#odd.add(printable(what));
  }

  isOfInterest({ module, name }: PickleName): boolean {
    return interesting.has(`${module}.${name}`);
  }
}

function nameOf(module: string, name: string): PickleName {
  const instance = { kind: 'instance', of: null as unknown as PickleName } as const satisfies PickleInstance;
  const made: PickleName = { kind: 'name', module, name, isCalled: false, instance };
  Object.assign(instance, { of: made });
  return made;
}
