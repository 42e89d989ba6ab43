/**
 * Loads, seeds and splits that no rule of a selection was made by: other hours, days and rates of the recorded loads, other recordings, and
 * generated bursts. Ten minutes each.
 */
import { readFileSync } from 'node:fs';
import { countsPerSecond, type Load, loadOfTrace, parseLoad, parseTrace } from '../../src/simulation/index.ts';
import { traceCounts } from '../traces.ts';

export interface HeldBackLoad {
  readonly name: string;
  readonly load: Load;
}

/** Each load, or the reason why it is not available. */
export function heldBackLoads(): readonly (HeldBackLoad | string)[] {
  return [
    seconds('Azure code x 60, from 0:20', 'azure_llm_2023_code.csv', 1200, 60),
    seconds('Azure chat x 200, from 0:25', 'azure_llm_2023_conv.csv', 1500, 200),
    counted('Twitter x 20, day 3, 20:00', 'twitter_2021-08_per_minute.csv', 60_000, 2 * 1440 + 1200, 20),
    counted('NASA x 900, day 5, 14:00', 'nasa_http_1995_per_minute.csv', 60_000, 4 * 1440 + 840, 900),
    // Slots of ten minutes, replayed within ten seconds.
    function_('Azure function, bursty x 60, 60 times as fast', 60),
    ...['mmpp:100,2000,60,10', 'mmpp:300,900,300,120', 'mmpp:50,4000,120,5'].map((text) => generated(text, text)),
    generated('flash crowd of 3,000/s', 'steps:200@0,3000@200,800@260,200@400'),
  ];
}

function seconds(name: string, file: string, from: number, scale: number): HeldBackLoad | string {
  const counts = countsPerSecond(parseTrace(readFileSync(new URL(`../../bench/traces/${file}`, import.meta.url), 'utf8'), file));
  if (counts === null) return `${file}: expected times`;
  const load = loadOfTrace(name, { kind: 'counts', counts }, { slotMs: 1000, from, slots: 600 }, scale);
  return { name, load: { ...load, isSeasonal: false } };
}

function counted(name: string, file: string, slotMs: number, from: number, scale: number): HeldBackLoad | string {
  const counts = traceCounts(file);
  if (typeof counts === 'string') return counts;
  return { name, load: loadOfTrace(name, { kind: 'counts', counts }, { slotMs, from, slots: 600_000 / slotMs }, scale) };
}

function function_(name: string, scale: number): HeldBackLoad {
  const text = readFileSync(new URL('../../bench/traces/azurefunc2019_bursty.csv', import.meta.url), 'utf8');
  const counts = text.trim().split('\n').slice(1).map(Number);
  return {
    name,
    load: { ...loadOfTrace(name, { kind: 'counts', counts }, { slotMs: 10_000, from: 200, slots: 60 }, scale), isSeasonal: false },
  };
}

function generated(name: string, text: string): HeldBackLoad {
  return { name, load: { ...parseLoad(text, { slotMs: 1000, from: 0, slots: 600, loadSeed: 3 }), name } };
}
