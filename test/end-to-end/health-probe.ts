/** Probes a server's health every few milliseconds. Runs in its own thread, so the test does not delay the probes. */
import assert from 'node:assert/strict';
import { Agent, get } from 'node:http';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

export interface Probed {
  readonly count: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export class HealthProbe {
  readonly #worker: Worker;

  constructor(url: string) {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: url });
  }

  async end(): Promise<Probed> {
    const times = new Promise<number[]>((resolve, reject) => {
      this.#worker.once('message', resolve);
      this.#worker.once('error', reject);
    });
    this.#worker.postMessage('end');
    const sorted = (await times).sort((a, b) => a - b);
    await this.#worker.terminate();
    return { count: sorted.length, p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0, maxMs: sorted.at(-1) ?? 0 };
  }
}

const everyMs = 10;

if (!isMainThread && parentPort !== null && typeof workerData === 'string') {
  const agent = new Agent({ keepAlive: true });
  const times: number[] = [];
  const call = (): void => {
    const startMs = performance.now();
    get(`${workerData}/v2/health/live`, { agent }, (response) => {
      assert.equal(response.statusCode, 200);
      response.resume();
      response.once('end', () => {
        times.push(performance.now() - startMs);
        setTimeout(call, everyMs);
      });
    });
  };
  call();
  parentPort.on('message', () => parentPort?.postMessage(times));
}
