/** Orders cells: numbers by value, texts in natural order (`v9` before `v10`), null last in both directions. */
export function compare(a: number | string | null, b: number | string | null, isDown: boolean): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });
  return isDown ? -order : order;
}
