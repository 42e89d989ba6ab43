/** The four loads of the comparison. Azure, NASA: in this repository; Twitter: from the directory in PENSTOCK_TRACES. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { countsPerSecond, type Load, loadOfTrace, parseTrace } from '../../src/simulation/index.ts';
import { traceCounts } from '../traces.ts';

export const loadNames = ['Azure code', 'Azure chat', 'Twitter', 'NASA'] as const;
export type LoadName = (typeof loadNames)[number];

export interface SelectionLoad {
  readonly name: LoadName;
  readonly load: Load;
  /** Of the comparison on a fixed fleet. */
  readonly instances: number;
}

/** The load, or the reason why it is not available. */
export function loadOf(name: LoadName): SelectionLoad | string {
  if (name === 'Azure code') return { name, load: perSecond('azure_llm_2023_code.csv'), instances: 1 };
  if (name === 'Azure chat') return { name, load: perSecond('azure_llm_2023_conv.csv'), instances: 1 };
  const minutes = name === 'Twitter' ? 'twitter_2021-08_per_minute.csv' : 'nasa_http_1995_per_minute.csv';
  const counts = traceCounts(minutes);
  if (typeof counts === 'string') return counts;
  // Two hours each: 08-10 h of the 14th day, and 10-12 h of the 17th.
  const [from, scale] = name === 'Twitter' ? [13 * 1440 + 480, 10] : [16 * 1440 + 600, 400];
  return { name, load: loadOfTrace(name, { kind: 'counts', counts }, { slotMs: 60_000, from, slots: 120 }, scale), instances: 2 };
}

/** The recorded requests of each second, a hundred times as many, at random times within the second. */
function perSecond(file: string): Load {
  const trace = parseTrace(readFileSync(new URL(`../../bench/traces/${file}`, import.meta.url), 'utf8'), file);
  const counts = countsPerSecond(trace);
  assert(counts !== null, `${file}: expected times`);
  return { ...loadOfTrace(file, { kind: 'counts', counts }, { slotMs: 1000, from: 0, slots: null }, 100), isSeasonal: false };
}
