/** JSON whose whole numbers beyond 2^53 stay what they are, when read and written again. */

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

// Node 24 has both, TypeScript's library knows neither yet (https://github.com/tc39/proposal-json-parse-with-source).
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

export function parseExact(text: string): unknown {
  return parse(text, (_key, value, { source }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source) ? rawJSON(source) : value,
  );
}
