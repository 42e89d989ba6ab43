/** Formats shares, money, times and settings for explanations. */
import { formatMs } from '../../objective.ts';
import type { BatchSettings, ChoiceInput, SettingPrediction } from './choice.ts';

/** `1.2 %` for 0.0123; `under 0.1 %` for positive shares that would round to zero. */
export function formatPercent(share: number): string {
  return share > 0 && share < 0.0005 ? 'under 0.1 %' : `${trimmed(100 * share, 1)} %`;
}

/** `74.5ms`, `149.3ms`, `3.56s`. */
export function formatMsShort(ms: number): string {
  return ms >= 1000 ? `${Number((ms / 1000).toPrecision(3))}s` : formatMs(Number(ms.toPrecision(ms >= 100 ? 4 : 3)));
}

/** `costs 12.3 % more` or `costs 32 times as much`. `share` is the extra cost relative to the cheaper setting. */
export function formatExtraCost(share: number): string {
  return share < 10 ? `costs ${formatPercent(share)} more` : `costs ${Math.round(share + 1)} times as much`;
}

/**
 * `, p99 149ms`: the latency at the objective's percentile (95 without an objective); empty if that percentile is not predicted.
 */
export function formatQuantile(predicted: SettingPrediction, percentile: number): string {
  const ms = { 50: predicted.p50Ms, 95: predicted.p95Ms, 99: predicted.p99Ms }[percentile];
  return ms === undefined ? '' : `, p${percentile} ${formatMsShort(ms)}`;
}

/** `$0.2161`: four significant digits. */
export function formatUsdPerMillion(costUsdPerMillion: number): string {
  return `$${Number(costUsdPerMillion.toPrecision(4))}`;
}

/** `1024 MiB, at most 11 rows or 74.5ms`. */
export function formatSetting({ memoryMiB, batchSizeMax, waitMsMax }: BatchSettings): string {
  if (batchSizeMax === 1) return `${memoryMiB} MiB without batching`;
  return `${memoryMiB} MiB, at most ${batchSizeMax} rows${waitMsMax === null ? '' : ` or ${formatMsShort(waitMsMax)}`}`;
}

/** `only 93.1 % within 147ms (150ms minus a margin of 3ms), 95 % promised`. */
export function sharePromisedText(shareInTime: number, { objective, marginMs }: ChoiceInput): string {
  if (objective === null) return 'there is no objective';
  const limitMs = Math.max(0, objective.latencyMs - marginMs);
  const limit =
    marginMs > 0
      ? `${formatMsShort(limitMs)} (${formatMsShort(objective.latencyMs)} minus a margin of ${formatMsShort(marginMs)})`
      : formatMsShort(limitMs);
  // Rounded down, so a narrow miss does not read as meeting the objective.
  const share = Math.floor(1e4 * shareInTime) / 100;
  return `only ${share} % within ${limit}, ${objective.percentile} % promised`;
}

function trimmed(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}
