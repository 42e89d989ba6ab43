/** Drift without labels: after how many rows the share of rows that go on raises the alarm, for noise on the pixels of real digits. */
import { type NoisyRows, noisyDigits, rowsUntilAlarm } from '../../test/selection/noisy-digits.ts';

export interface DriftRow {
  /** Of the noise on pixels of 0 to 16. */
  readonly sigma: number;
  /** Of the cascade `digits-mlp > digits-cnn @ 0.03`. */
  readonly accuracy: number;
  readonly escalated: number;
  readonly runs: number;
  readonly rowsMax: number;
  /** Share of the runs with an alarm. */
  readonly alarmed: number;
  /** Rows until the alarm; null if fewer runs had one. */
  readonly medianRows: number | null;
  readonly p90Rows: number | null;
}

const sigmas = [0, 1, 2, 3, 4];
const draws = 20;
const runs = 200;
const rowsMax = 20_000;

export async function driftRows(): Promise<DriftRow[]> {
  const all = await noisyDigits(sigmas, draws);
  return all.map((noisy) => driftRow(noisy));
}

function driftRow(noisy: NoisyRows): DriftRow {
  const until = Array.from({ length: runs }, (_, seed) => rowsUntilAlarm(noisy, seed, rowsMax)).sort((a, b) => a - b);
  const at = (share: number): number | null => {
    const rows = until[Math.floor(share * runs)] as number;
    return Number.isFinite(rows) ? rows : null;
  };
  console.error(`drift, sigma ${noisy.sigma}: median ${at(0.5)}`);
  return {
    sigma: noisy.sigma,
    accuracy: shareOf(noisy.isRight),
    escalated: shareOf(noisy.goesOn),
    runs,
    rowsMax,
    alarmed: until.filter((rows) => Number.isFinite(rows)).length / runs,
    medianRows: at(0.5),
    p90Rows: at(0.9),
  };
}

function shareOf(flags: Uint8Array): number {
  return flags.reduce((sum, flag) => sum + flag, 0) / flags.length;
}
