/** What a schema found wrong, in our words where it is about a bound: what was expected, and what came. Pure. */

export interface Problem {
  /** The code of zod's issue. */
  readonly keyword: string;
  /** `/variants/0/weight`; of the whole, `/`. */
  readonly instancePath: string;
  readonly message?: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
}

const things: Readonly<Record<string, string>> = { string: ' characters', array: ' items', set: ' items' };
const shownMax = 40;

/** `given` is what was checked: the query, or the body; `known` the names that it may have, null where nobody can tell. */
export function problemWords(
  { keyword, instancePath, message = 'is wrong', params }: Problem,
  given: unknown,
  known: readonly string[] | null = null,
): string {
  const { origin, minimum, maximum, inclusive } = params;
  const thing = things[String(origin)] ?? '';
  const came = cameOf(valueAt(given, instancePath), thing);
  if (keyword === 'too_small') return `expected ${inclusive === false ? 'more than' : 'at least'} ${String(minimum)}${thing}${came}`;
  if (keyword === 'too_big') return `expected ${inclusive === false ? 'less than' : 'at most'} ${String(maximum)}${thing}${came}`;
  if (keyword === 'unrecognized_keys' && instancePath === '/' && known !== null)
    return unknownWords(params.keys as readonly string[], known);
  return message;
}

function unknownWords(keys: readonly string[], known: readonly string[]): string {
  const named = keys.map((key) => `'${key.slice(0, shownMax)}'`).join(', ');
  return `${named} ${keys.length === 1 ? 'is' : 'are'} not known here: ${known.length === 0 ? 'nothing is expected' : `expected ${known.join(', ')}`}`;
}

function cameOf(value: unknown, thing: string): string {
  if (thing !== '') return typeof value === 'string' || Array.isArray(value) ? `, got ${value.length}` : '';
  return typeof value === 'number' || typeof value === 'string' ? `, got ${String(value).slice(0, shownMax)}` : '';
}

function valueAt(given: unknown, path: string): unknown {
  let value = given;
  for (const name of path.split('/').slice(1)) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
