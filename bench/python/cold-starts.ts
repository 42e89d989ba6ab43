/** The first request to an endpoint without running functions, by fork and by spawn and import, with the same isolation. */
import { join } from 'node:path';
import { summarize } from '../load/latencies.ts';
import { Platform } from '../servers/platform.ts';

/** Between two starts: the function must have ended. */
const pauseMs = 1500;

export interface ColdModel {
  readonly name: string;
  readonly label: string;
  readonly folder: string;
  /** Folder of the environment. */
  readonly python: string;
  readonly row: readonly number[];
}

export interface ColdStarts {
  readonly label: string;
  /** From the request to its response. */
  readonly forkMs: readonly number[];
  readonly spawnMs: readonly number[];
}

export async function coldStarts(
  model: ColdModel,
  { forks, spawns }: { readonly forks: number; readonly spawns: number },
): Promise<ColdStarts> {
  const forkMs = await starts(model, true, forks);
  const spawnMs = await starts(model, false, spawns);
  console.error(`${model.label}: fork ${summarize(forkMs).p50.toFixed(0)} ms, spawn ${summarize(spawnMs).p50.toFixed(0)} ms`);
  return { label: model.label, forkMs, spawnMs };
}

async function starts({ name, folder, python, row }: ColdModel, forkServer: boolean, count: number): Promise<number[]> {
  const config = { environments: { default: { python: join(python, 'bin/python') } }, python: { forkServer } };
  const platform = new Platform({}, config);
  try {
    await platform.start();
    await platform.run('register', folder, '--approve');
    await platform.run('profile', `${name}/1`);
    await platform.run('deploy', `${name}/1`, name, '--serverless', '--keep-alive', '0s');
    const url = new URL(`/v2/models/${name}/infer`, platform.server.url);
    const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP64', shape: [1, row.length], data: row }] });
    const answeredMs: number[] = [];
    // The first start is not counted: it may start the fork server.
    for (let i = 0; i <= count; i++) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      const sentMs = performance.now();
      const response = await fetch(url, { method: 'POST', body });
      const text = await response.text();
      if (i > 0) answeredMs.push(performance.now() - sentMs);
      if (!response.ok) throw new Error(`a cold start of ${name} failed: ${response.status} ${text}`);
    }
    return answeredMs;
  } finally {
    await platform.close();
  }
}
