/** JSON that preserves integers beyond 2^53 when it is parsed and serialized again. */

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

// Node 24 has both, but TypeScript's library declares neither yet (https://github.com/tc39/proposal-json-parse-with-source).
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

/** Integers beyond 2^53 become raw JSON, which `JSON.stringify` writes unchanged. */
export function parseExactJson(text: string): unknown {
  return parse(text, (_key, value, { source }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source) ? rawJSON(source) : value,
  );
}
