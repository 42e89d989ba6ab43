/** Formats schema violations. Violations of bounds name the expected and the received value. Pure. */

/** A violation, as the validator reports it. */
export interface Problem {
  /** Code of the zod issue. */
  readonly keyword: string;
  /** For example `/variants/0/weight`; `/` is the whole value. */
  readonly instancePath: string;
  readonly message?: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
}

const collectionUnits: Readonly<Record<string, string>> = { string: ' characters', array: ' items', set: ' items' };
const shownMax = 40;

/** `provided` is the validated query or body; `known` its allowed member names, null if unknown. */
export function formatProblem(
  { keyword, instancePath, message = 'is invalid', params }: Problem,
  provided: unknown,
  known: readonly string[] | null = null,
): string {
  const { origin, minimum, maximum, inclusive } = params;
  const unit = collectionUnits[String(origin)] ?? '';
  const arrived = receivedText(valueAt(provided, instancePath), unit);
  if (keyword === 'too_small') return `expected ${inclusive === false ? 'more than' : 'at least'} ${String(minimum)}${unit}${arrived}`;
  if (keyword === 'too_big') return `expected ${inclusive === false ? 'less than' : 'at most'} ${String(maximum)}${unit}${arrived}`;
  if (keyword === 'unrecognized_keys' && instancePath === '/' && known !== null)
    return unknownNamesText(params.keys as readonly string[], known);
  return message;
}

function unknownNamesText(keys: readonly string[], known: readonly string[]): string {
  const named = keys.map((key) => `'${key.slice(0, shownMax)}'`).join(', ');
  return `${named} ${keys.length === 1 ? 'is' : 'are'} not allowed: expected ${known.length === 0 ? 'no members' : known.join(', ')}`;
}

function receivedText(value: unknown, unit: string): string {
  if (unit !== '') return typeof value === 'string' || Array.isArray(value) ? `, got ${value.length}` : '';
  return typeof value === 'number' || typeof value === 'string' ? `, got ${String(value).slice(0, shownMax)}` : '';
}

function valueAt(provided: unknown, path: string): unknown {
  let value = provided;
  for (const name of path.split('/').slice(1)) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
