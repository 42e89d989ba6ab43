/** Models that skops saved: schema.json lists all classes by name, and only trusted ones are opened. */
import { PlatformError } from '../errors.ts';
import { isKnownName } from './pickle/known-names.ts';
import { librariesOf } from './pickle-model.ts';
import { printable } from './printable.ts';
import type { RecognisedModel } from './recognised-model.ts';

const valuesMax = 10_000_000;

/** Null if the text is not a schema of skops. Throws `invalid_request` if it is malformed. */
export function skopsModel(schema: string, what: string): RecognisedModel | null {
  const root = parsed(schema, what);
  if (typeof root !== 'object' || root === null || !('__loader__' in root)) return null;
  const names = namesIn(root, what);
  const outside = names.filter(({ module, name, isCalled }) => !isKnownName({ module, name, isCalled }));
  const textOf = ({ module, name }: SchemaName): string => printable(`${module}.${name}`);
  const version = (root as Readonly<Record<string, unknown>>)['_skops_version'];
  const madeWith = typeof version === 'string' ? { skops: printable(version) } : {};
  return {
    flavour: 'skops',
    entry: '',
    form: 'tensors',
    imports: { all: names.map(textOf).sort(), outside: outside.map(textOf).sort() },
    libraries: [...new Set([...librariesOf(names.map(({ module }) => module)), 'skops'])].sort(),
    madeWith,
    notes: [],
  };
}

interface SchemaName {
  readonly module: string;
  readonly name: string;
  readonly isCalled: boolean;
}

function parsed(schema: string, what: string): unknown {
  try {
    return JSON.parse(schema);
  } catch (cause) {
    throw new PlatformError('invalid_request', `${what} is damaged: its schema.json is malformed. Save it again with skops.io.dump()`, {
      cause,
    });
  }
}

/** Classes are named by `__module__` and `__class__`, functions by `module_path` and `function`. Walks without recursion. */
function namesIn(root: object, what: string): SchemaName[] {
  const found = new Map<string, SchemaName>();
  const waiting: object[] = [root];
  for (let values = 0; waiting.length > 0; values++) {
    if (values > valuesMax) throw new PlatformError('too_large', `${what} has more than ${valuesMax} values in its schema.json`);
    const node = waiting.pop() as Readonly<Record<string, unknown>>;
    for (const [module, name] of [
      [node['__module__'], node['__class__']],
      [node['module_path'], node['function']],
    ]) {
      if (typeof module !== 'string' || typeof name !== 'string') continue;
      found.set(`${module}\0${name}`, { module, name, isCalled: true });
    }
    for (const value of Object.values(node)) if (typeof value === 'object' && value !== null) waiting.push(value);
  }
  return [...found.values()];
}
