/**
 * CloudWatch Logs' filter patterns: words, phrases, exclusions and alternatives, or conditions on members of JSON lines. Patterns are
 * compiled once and bounded in length; matching is linear in the line and the pattern.
 */
import { parseConditions } from './json-conditions.ts';
import { invalidPattern, type Matches, quotedAt } from './pattern-text.ts';

const lengthMax = 1024;

/**
 * `word`, `"a phrase"`, `-not`, `?this ?or ?that`, `{ $.status = "ok" && $.totalMs > 100 }`; an empty pattern matches everything.
 * Case-sensitive; words match within other words. Alternatives are ignored if there are required words, as in AWS. Throws
 * `invalid_request`.
 */
export function compileFilter(pattern: string): Matches {
  if (pattern.length > lengthMax) throw invalidPattern(`expected at most ${lengthMax} characters, got ${pattern.length}`);
  const text = pattern.trim();
  if (text === '') return () => true;
  if (text.startsWith('{')) return parseConditions(text);
  if (text.startsWith('[')) throw invalidPattern('column patterns, [a, b], are not supported. Use words, or conditions on JSON');
  return compileTerms(termsOf(text));
}

interface Term {
  readonly sign: '' | '-' | '?';
  readonly text: string;
}

function compileTerms(terms: readonly Term[]): Matches {
  const signed = (requested: Term['sign']): string[] => terms.filter(({ sign }) => sign === requested).map(({ text }) => text);
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
    if (word === '') throw invalidPattern(`expected a word at character ${at + 1}`);
    terms.push({ sign, text: word });
    at = end;
  }
  return terms;
}

function termAt(text: string, at: number): [word: string, end: number] {
  if (text.charAt(at) === '"') return quotedAt(text, at);
  if (text.charAt(at) === '%') throw invalidPattern('regular expressions, %…%, are not supported. Use words');
  let end = at;
  while (end < text.length && !/[\s"]/.test(text.charAt(end))) end++;
  return [text.slice(at, end), end];
}
