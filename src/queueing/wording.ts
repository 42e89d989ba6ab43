/** How shares, money, times and settings are written in reasons. */
import { formatMs } from '../objective.ts';
import type { ChoiceInput, Prediction, Setting } from './choice.ts';

/** 0.0123 is `1.2 %`; what rounds to nothing is `under 0.1 %`. */
export function percentText(share: number): string {
  return share > 0 && share < 0.0005 ? 'under 0.1 %' : `${trimmed(100 * share, 1)} %`;
}

/** `74.5ms`, `149.3ms`, `3.56s`. */
export function msText(ms: number): string {
  return ms >= 1000 ? `${Number((ms / 1000).toPrecision(3))}s` : formatMs(Number(ms.toPrecision(ms >= 100 ? 4 : 3)));
}

/** `costs 12.3 % more`, `costs 32 times as much`: by its share beyond. */
export function dearerText(share: number): string {
  return share < 10 ? `costs ${percentText(share)} more` : `costs ${Math.round(share + 1)} times as much`;
}

/** `p99 149ms`: the latency at the percentile that is promised (95 where nothing is); empty where that is none of those predicted. */
export function quantileText(predicted: Prediction, percentile: number): string {
  const ms = { 50: predicted.p50Ms, 95: predicted.p95Ms, 99: predicted.p99Ms }[percentile];
  return ms === undefined ? '' : `, p${percentile} ${msText(ms)}`;
}

/** `$0.2161`: a million requests, to four digits. */
export function usdText(costUsdPerMillion: number): string {
  return `$${Number(costUsdPerMillion.toPrecision(4))}`;
}

/** `1024 MiB, at most 11 rows, 74.5 ms`. */
export function settingText({ memoryMiB, batchSizeMax, waitMsMax }: Setting): string {
  if (batchSizeMax === 1) return `${memoryMiB} MiB without batching`;
  return `${memoryMiB} MiB, at most ${batchSizeMax} rows${waitMsMax === null ? '' : ` or ${msText(waitMsMax)}`}`;
}

/** `only 93.1 % within 147ms (150ms less 3ms held back), 95 % are promised`. */
export function sharePromisedText(shareInTime: number, { objective, marginMs }: ChoiceInput): string {
  if (objective === null) return 'nothing is promised';
  const limitMs = Math.max(0, objective.latencyMs - marginMs);
  const limit = marginMs > 0 ? `${msText(limitMs)} (${msText(objective.latencyMs)} less ${msText(marginMs)} held back)` : msText(limitMs);
  // Rounded down: what misses by little must not read as if it did not.
  const share = Math.floor(1e4 * shareInTime) / 100;
  return `only ${share} % within ${limit}, ${objective.percentile} % are promised`;
}

function trimmed(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}
