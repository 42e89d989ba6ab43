/** The selectable time ranges and their periods. Each has at most 720 points. */
export const ranges = [
  { name: '15m', title: '15 min', spanS: 900, periodS: 2 },
  { name: '1h', title: '1 h', spanS: 3600, periodS: 10 },
  { name: '6h', title: '6 h', spanS: 21_600, periodS: 30 },
  { name: '24h', title: '24 h', spanS: 86_400, periodS: 120 },
  { name: '7d', title: '7 d', spanS: 604_800, periodS: 900 },
] as const;

export type RangeName = (typeof ranges)[number]['name'];

const youngMs = 30 * 60_000;

/** The range that a page of a resource starts with: most of an hour would be empty for a young one. */
export function rangeForAge(ageMs: number): RangeName {
  return ageMs < youngMs ? '15m' : '1h';
}

const pointsMax = 720;
const periods = [1, 2, 5, 10, 30, 60, 120, 300, 900];

/**
 * The period for a custom range, in seconds. The platform retains 1 s points for an hour and 10 s points for a day, so older ranges are
 * coarser.
 */
export function periodFor(fromMs: number, toMs: number, nowMs: number): number {
  const finest = nowMs - fromMs > 86_400_000 ? 60 : nowMs - fromMs > 3_600_000 ? 10 : 1;
  const wanted = (toMs - fromMs) / 1000 / pointsMax;
  return periods.find((period) => period >= finest && period >= wanted) ?? 900;
}
