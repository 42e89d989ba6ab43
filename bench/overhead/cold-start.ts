/** Time from forking a worker to its first response, measured with the local provider. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../src/clock.ts';
import { openLogs } from '../../src/logs/index.ts';
import { LocalProvider, type WorkerSpec } from '../../src/providers/index.ts';
import { artifactAt, pathAsAddress } from '../../test/model-artifacts.ts';

/** Milliseconds until the worker is ready, which includes a real inference. */
export async function coldStartMs(modelPath: string, warmWorkers: 0 | 1): Promise<number> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'penstock-cold-'));
  const clock = new SystemClock();
  const logs = openLogs(null, 'silent');
  const provider = new LocalProvider({ clock, log: logs.platform, stateDirectory, warmWorkers, fetchFile: pathAsAddress });
  try {
    await provider.open();
    // A warm worker helps only once its runtime is loaded.
    if (warmWorkers > 0) await new Promise((resolve) => setTimeout(resolve, 1000));
    const ready = new Promise<number>((resolve) => {
      provider.onChange((view) => {
        if (view.state === 'ready') resolve(performance.now());
      });
    });
    const startMs = performance.now();
    await provider.start(specOf(modelPath));
    return (await ready) - startMs;
  } finally {
    await provider.close();
    await logs.close();
    rmSync(stateDirectory, { recursive: true });
  }
}

function specOf(modelPath: string): WorkerSpec {
  return {
    id: 'cold',
    endpoint: 'cold',
    variant: 'AllTraffic',
    generation: 1,
    artifact: artifactAt(modelPath),
    modelName: 'cold/1',
    threads: 1,
    memoryMiB: 0,
    instanceType: 'local.1',
    kind: 'instance',
    vcpuMax: null,
  };
}
