/** `npm run bench -- batching`: time per decision, accuracy of the model, and cost of each policy. Computed, without a server. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { commit, machine } from '../machine.ts';
import { accuracies } from './accuracy.ts';
import type { GridTiming } from './grid-thread.ts';
import { compare } from './policies.ts';
import { tables, write } from './report.ts';
import { workloads } from './workloads.ts';

export interface BatchingOptions {
  /** Simulated requests per setting. */
  readonly requests: number;
  readonly isDry: boolean;
}

export async function batching({ requests, isDry }: BatchingOptions): Promise<void> {
  const say = (text: string): void => console.error(text);
  const at = new Date().toISOString();
  const grids = await timeGrids();
  const accuracy = accuracies(requests, say);
  const loads = workloads();
  const comparisons = [0, 0.2].flatMap((cv) =>
    [100, 300].flatMap((sloMs) =>
      loads.map((load) => {
        say(`policies: ${load.name}, ${sloMs} ms, cv ${cv}`);
        return compare(load, sloMs, cv);
      }),
    ),
  );
  const results = { at, commit: commit(), machine: machine(), grids, accuracies: accuracy, comparisons };
  console.log(tables(results));
  if (!isDry) write(results);
}

/** Times decisions in a separate thread, as the controller runs them. */
async function timeGrids(): Promise<readonly GridTiming[]> {
  const thread = new Worker(new URL('./grid-thread.ts', import.meta.url));
  const [timings] = (await once(thread, 'message')) as [readonly GridTiming[]];
  await thread.terminate();
  return timings;
}
