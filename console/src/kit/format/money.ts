/** Small amounts: an hour of a rarely used function costs fractions of a cent, which must not read as zero. */
import { usd, usdSmall } from './format.ts';

/** `$0.239`, `$0.0075`, `$0.000 091`: three decimals, below one cent two significant digits. */
export function usdFine(value: number): string {
  if (value === 0 || Math.abs(value) >= 0.0095) return usd(value);
  const rounded = Number(value.toPrecision(2));
  return Math.abs(value) >= 0.001 ? `$${rounded.toFixed(4)}` : usdSmall(rounded);
}

/** The cost of requests: `$0.000 12`; below a millionth of a dollar only that. Unit prices keep their digits, see `usdSmall`. */
export function usdOfRequests(value: number): string {
  if (value === 0 || value >= 0.01) return usdSmall(value);
  if (value < 1e-6) return 'under $0.000 001';
  const decimals = Math.min(6, 1 - Math.floor(Math.log10(value)));
  return `$${value.toFixed(decimals).replace(/(\.\d{3})(?=\d)/, '$1 ')}`;
}

/** As the server does: with fewer requests, a price per million says more about idle time than about requests. */
const pricedRequestsMin = 1000;

/** US dollars per million requests; null below a thousand requests. */
export function pricePerMillion(totalUsd: number, requests: number): number | null {
  return requests < pricedRequestsMin ? null : (totalUsd / requests) * 1e6;
}
