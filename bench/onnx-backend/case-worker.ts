/** Runs cases in a real worker, by the calls that registration and serving use. Much faster than a deployment for each. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../src/clock.ts';
import { messageOf, PlatformError } from '../../src/errors.ts';
import { openLogs } from '../../src/logs/index.ts';
import { LocalProvider } from '../../src/providers/index.ts';
import type { WorkerLink } from '../../src/runtime/index.ts';
import { caseDifference, type OnnxCase } from '../../test/models/onnx-cases.ts';
import type { CaseResult } from './report.ts';

/** Limit of the time that a worker is borrowed for. */
const borrowMsMax = 3_600_000;

export async function workerCases(cases: readonly OnnxCase[]): Promise<CaseResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-bench-onnx-worker-'));
  const clock = new SystemClock();
  const log = openLogs(null, 'silent').platform;
  const provider = new LocalProvider({ clock, log, stateDirectory: directory, warmWorkers: 1 });
  await provider.open();
  const results: CaseResult[] = [];
  try {
    while (results.length < cases.length) {
      try {
        await provider.borrow(
          async (link) => {
            for (const each of cases.slice(results.length)) results.push(await workerCase(link, each, directory));
          },
          { timeoutMs: borrowMsMax },
        );
      } catch (error) {
        // The case ended its worker: the next ones get a new one.
        results.push({ name: (cases[results.length] as OnnxCase).name, outcome: 'failed', detail: messageOf(error) });
      }
    }
  } finally {
    await provider.close();
    rmSync(directory, { recursive: true });
  }
  return results;
}

async function workerCase(link: WorkerLink, each: OnnxCase, directory: string): Promise<CaseResult> {
  const { name } = each;
  let isRegistered = false;
  try {
    await link.inspect({ path: each.modelPath }, join(directory, 'rewritten.onnx'));
    isRegistered = true;
    const { outputs } = await link.run(each.inputs.map(({ data, ...tensor }) => ({ ...tensor, parts: [data] })));
    const difference = caseDifference(outputs, each);
    return difference === null ? { name, outcome: 'equal', detail: '' } : { name, outcome: 'differing', detail: difference };
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    return { name, outcome: isRegistered ? 'failed' : 'refused', detail: error.message };
  }
}
