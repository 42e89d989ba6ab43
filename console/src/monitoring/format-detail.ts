/** Formats the detail of an audit record as names and values. Pure. */

export interface DetailText {
  /** For the table: a sentence, or as many pairs as fit. */
  readonly text: string;
  /** The full detail as indented JSON; null if `text` is complete. */
  readonly whole: string | null;
}

const charactersMax = 160;

/** A reason, an explanation or a message if there is one; else `objective=p95<=50ms, variants.0.model=digits/1`. */
export function formatDetail(detail: unknown): DetailText | null {
  if (detail === null || detail === undefined) return null;
  const { reason, explanation, message } = typeof detail === 'object' ? (detail as Readonly<Record<string, unknown>>) : {};
  const sentence = [reason, explanation, message].find((each): each is string => typeof each === 'string' && each !== '');
  const pairs = pairsOf(detail, '');
  if (pairs.length === 0) return null;
  const text = sentence ?? pairs.map(([name, value]) => (name === '' ? value : `${name}=${value}`)).join(', ');
  const isAll = text.length <= charactersMax && (sentence === undefined || pairs.length <= 1);
  return { text: shorten(text), whole: isAll ? null : JSON.stringify(detail, null, 2) };
}

/** Flattens a value into paths and leaf values. Empty lists and objects are leaves. */
function pairsOf(value: unknown, name: string): [name: string, value: string][] {
  if (typeof value !== 'object' || value === null) return [[name, typeof value === 'string' ? value : JSON.stringify(value)]];
  const entries = Object.entries(value);
  if (entries.length === 0) return name === '' ? [] : [[name, JSON.stringify(value)]];
  return entries.flatMap(([key, each]) => pairsOf(each, name === '' ? key : `${name}.${key}`));
}

/** Cuts between two pairs if possible. */
function shorten(text: string): string {
  if (text.length <= charactersMax) return text;
  const cut = text.lastIndexOf(', ', charactersMax);
  return `${text.slice(0, cut > 0 ? cut : charactersMax)}, …`;
}
