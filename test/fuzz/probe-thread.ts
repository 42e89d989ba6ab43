/** Probes a server's health from a separate thread, so that a busy test does not look like a slow server. Posts each latency or failure. */
import { parentPort, workerData } from 'node:worker_threads';

const probeEveryMs = 50;
/** Far above delays caused by other load: the server hangs. Shorter blocking is reported by the server's own watchdog. */
const answerMsMax = 30_000;

export interface Probe {
  readonly ms: number;
  /** Null for a response of 200. */
  readonly problem: string | null;
}

const { url } = workerData as { readonly url: string };
let isOver = false;
parentPort?.once('message', () => {
  isOver = true;
});

while (!isOver) {
  const startMs = performance.now();
  let problem: string | null = null;
  try {
    const response = await fetch(`${url}/v2/health/live`, { signal: AbortSignal.timeout(answerMsMax) });
    await response.arrayBuffer();
    if (response.status !== 200) problem = `status ${response.status}`;
  } catch (error) {
    problem = String(error);
  }
  parentPort?.postMessage({ ms: performance.now() - startMs, problem } satisfies Probe);
  await new Promise((resolve) => setTimeout(resolve, probeEveryMs));
}
