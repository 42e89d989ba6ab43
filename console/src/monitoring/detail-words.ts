/** The detail of a record as names and values, which wrap between them. Pure. */

export interface DetailWords {
  /** For the table: a sentence, or as many pairs as have room. */
  readonly text: string;
  /** All of it, over several lines; null where the text says all. */
  readonly whole: string | null;
}

const lettersMax = 160;

/** A reason, an explanation or a message if there is one; else `objective=p95<=50ms, variants.0.model=digits/1`. */
export function detailWords(detail: unknown): DetailWords | null {
  if (detail === null || detail === undefined) return null;
  const { reason, explanation, message } = typeof detail === 'object' ? (detail as Readonly<Record<string, unknown>>) : {};
  const told = [reason, explanation, message].find((each): each is string => typeof each === 'string' && each !== '');
  const pairs = pairsOf(detail, '');
  if (pairs.length === 0) return null;
  const text = told ?? pairs.map(([name, value]) => (name === '' ? value : `${name}=${value}`)).join(', ');
  const isAll = text.length <= lettersMax && (told === undefined || pairs.length <= 1);
  return { text: shorten(text), whole: isAll ? null : JSON.stringify(detail, null, 2) };
}

/** By the way to each value; empty lists and objects are values too. */
function pairsOf(value: unknown, name: string): [name: string, value: string][] {
  if (typeof value !== 'object' || value === null) return [[name, typeof value === 'string' ? value : JSON.stringify(value)]];
  const entries = Object.entries(value);
  if (entries.length === 0) return name === '' ? [] : [[name, JSON.stringify(value)]];
  return entries.flatMap(([key, each]) => pairsOf(each, name === '' ? key : `${name}.${key}`));
}

/** Cut between two pairs where there is such a place. */
function shorten(text: string): string {
  if (text.length <= lettersMax) return text;
  const cut = text.lastIndexOf(', ', lettersMax);
  return `${text.slice(0, cut > 0 ? cut : lettersMax)}, …`;
}
