import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { GridTiming } from './grid-thread.ts';

/** Times decisions in a separate thread, as the controller runs them. */
export async function timeGrids(): Promise<readonly GridTiming[]> {
  const thread = new Worker(new URL('./grid-thread.ts', import.meta.url));
  const [timings] = (await once(thread, 'message')) as [readonly GridTiming[]];
  await thread.terminate();
  return timings;
}
