import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LatencySummary } from '../load/latencies.ts';

export interface BareOptions {
  readonly modelPath: string;
  /** Name of an FP32 input whose first dimension is the batch; the rest is `rowShape`. */
  readonly input: string;
  readonly rowShape: readonly number[];
  /** File of raw little-endian floats; only the first row is used. */
  readonly rowsFile: string;
  readonly b: number;
  readonly measureMs: number;
}

export interface BareReport {
  readonly rowsPerSecond: number;
  readonly runMs: LatencySummary;
  readonly cpuMsPerRow: number;
}

/** Runs onnxruntime alone in a separate process with one thread. */
export async function runBare(options: BareOptions): Promise<BareReport> {
  const main = fileURLToPath(new URL('./bare-onnxruntime-main.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [main, JSON.stringify(options)]);
  return JSON.parse(stdout) as BareReport;
}
