/** Money that may be small: an hour of a rarely used function costs fractions of a cent, and still is not nothing. */
import { usd, usdSmall } from './format.ts';

/** `$0.239`, `$0.0075`, `$0.000 091`: three decimals, and below a cent the two digits that count. */
export function usdFine(value: number): string {
  if (value === 0 || Math.abs(value) >= 0.0095) return usd(value);
  const rounded = Number(value.toPrecision(2));
  return Math.abs(value) >= 0.001 ? `$${rounded.toFixed(4)}` : usdSmall(rounded);
}
