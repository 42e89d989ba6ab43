/** Parses timestamps of the AWS protocols. */

/** Epoch milliseconds of an ISO-8601 time with its zone, or of epoch seconds written as text; NaN for anything else. */
export function parseTimestamp(text: string): number {
  if (/^-?\d{1,12}(?:\.\d{1,9})?$/.test(text)) return Math.round(Number(text) * 1000);
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/.test(text)) return Number.NaN;
  // A time without a zone means UTC, not the local zone.
  const isZoned = /(?:Z|[+-]\d\d:?\d\d)$/.test(text.slice(10));
  return Date.parse(isZoned || !text.includes('T') ? text : `${text}Z`);
}
