/** Names of model groups, endpoints and variants, which are unique without case, and what a misspelt one stands for. Pure. */

declare const keyed: unique symbol;

/** A name in the form that decides whether two names are the same. Shown nowhere. */
export type NameKey = string & { readonly [keyed]: true };

/** The key by which names are stored and compared. `Digits` and `digits` are one name. */
export function nameKey(name: string): NameKey {
  return name.toLowerCase() as NameKey;
}

/** Whether two names mean the same object. */
export function sameName(one: string, other: string): boolean {
  return nameKey(one) === nameKey(other);
}

/** Longer words are not typos, and comparing them costs time. */
const wordMax = 40;

/** The name within two typing errors of `word`, at most a third of its letters wrong. */
export function closestName(word: string, names: readonly string[]): string | null {
  if (word.length < 2 || word.length > wordMax) return null;
  const errors = names
    .map((name) => ({ name, errors: typingErrors(word.toLowerCase(), name.toLowerCase()) }))
    .toSorted((a, b) => a.errors - b.errors);
  const [best] = errors;
  return best !== undefined && best.errors <= Math.min(2, Math.max(word.length, best.name.length) / 3) ? best.name : null;
}

/** Letters to insert, delete, replace or swap with the next: the optimal string alignment distance. */
function typingErrors(from: string, to: string): number {
  let [beforeLast, last]: [number[], number[]] = [[], Array.from({ length: to.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (last[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const isSwapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const swapped = isSwapped ? (beforeLast[j - 2] as number) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(replaced, (last[j] as number) + 1, (row[j - 1] as number) + 1, swapped));
    }
    [beforeLast, last] = [last, row];
  }
  return last[to.length] as number;
}
