/**
 * CloudWatch Logs' filter patterns: words, phrases, exclusions and alternatives, or conditions on the members of a line that is JSON. A
 * pattern is compiled once, its length is bounded, and looking at a line takes time in proportion to both.
 */
import { parseConditions } from './json-conditions.ts';
import { invalid, type Matches, quotedAt } from './pattern-text.ts';

const lengthMax = 1024;

/**
 * `word`, `"a phrase"`, `-not`, `?this ?or ?that`, `{ $.status = "ok" && $.totalMs > 100 }`; nothing matches everything. Case counts, and a
 * word is found within others. Alternatives count for nothing beside words that must be there, as with AWS. Throws `invalid_request`.
 */
export function compileFilter(pattern: string): Matches {
  if (pattern.length > lengthMax) throw invalid(`it has ${pattern.length} characters, at most ${lengthMax} are expected`);
  const text = pattern.trim();
  if (text === '') return () => true;
  if (text.startsWith('{')) return parseConditions(text);
  if (text.startsWith('[')) throw invalid('patterns of columns, [a, b], are not served here: use words, or conditions on JSON');
  return compileTerms(termsOf(text));
}

interface Term {
  readonly sign: '' | '-' | '?';
  readonly text: string;
}

function compileTerms(terms: readonly Term[]): Matches {
  const signed = (wanted: Term['sign']): string[] => terms.filter(({ sign }) => sign === wanted).map(({ text }) => text);
  const [all, none, some] = [signed(''), signed('-'), signed('?')];
  const any = all.length > 0 ? [] : some;
  return (message) =>
    all.every((text) => message.includes(text)) &&
    !none.some((text) => message.includes(text)) &&
    (any.length === 0 || any.some((text) => message.includes(text)));
}

function termsOf(text: string): Term[] {
  const terms: Term[] = [];
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text.charAt(at))) {
      at++;
      continue;
    }
    const first = text.charAt(at);
    const sign = first === '-' || first === '?' ? first : '';
    const [word, end] = termAt(text, at + sign.length);
    if (word === '') throw invalid(`a word is missing at character ${at + 1}`);
    terms.push({ sign, text: word });
    at = end;
  }
  return terms;
}

function termAt(text: string, at: number): [word: string, end: number] {
  if (text.charAt(at) === '"') return quotedAt(text, at);
  if (text.charAt(at) === '%') throw invalid('regular expressions, %…%, are not served here: use words');
  let end = at;
  while (end < text.length && !/[\s"]/.test(text.charAt(end))) end++;
  return [text.slice(at, end), end];
}
