/** A server under test: its health is probed throughout, and its log is checked at the end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Server, type ServerOptions, temporaryDirectory } from '../end-to-end/server.ts';
import { fuzzScale } from './campaign.ts';
import type { Probe } from './probe-thread.ts';

/** CPU time that the event loop may spend without a pause, by the server's own watchdog. Independent of other load. */
const blockedCpuMsMax = 1000;

export class WatchedServer {
  readonly server: Server;
  readonly #latenciesMs: number[] = [];
  readonly #problems: string[] = [];
  readonly #probes: Worker;

  private constructor(server: Server) {
    this.server = server;
    this.#probes = new Worker(join(import.meta.dirname, 'probe-thread.ts'), { workerData: { url: server.url } });
    this.#probes.on('message', ({ ms, problem }: Probe) => {
      this.#latenciesMs.push(ms);
      if (problem !== null) this.#problems.push(problem);
    });
  }

  /** Its environments are built offline: names of packages that a fuzzer makes up must not reach a registry. */
  static async start(options: Omit<ServerOptions, 'dataDir'> = {}): Promise<WatchedServer> {
    const dataDir = temporaryDirectory();
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ environments: { build: { offline: true, timeout: '10s' } } }));
    return new WatchedServer(await Server.start({ ...options, dataDir }));
  }

  get url(): string {
    return this.server.url;
  }

  /** Throws if the requests so far have harmed the server. */
  assertWell(): void {
    assert(!this.server.hasEnded, `the server ended:\n${this.server.stderr.slice(-4000)}`);
    assert.deepEqual(this.#problems, [], 'a health probe failed');
    const lines = this.server.stderr.split('\n').filter((line) => line !== '');
    assert.deepEqual(lines.filter(isError), [], 'the server logged errors');
    assert.deepEqual(lines.filter(isBlocked), [], 'a request blocked the event loop');
  }

  /** Stops probing, checks once more and stops the server. A soak prints the latencies of the probes. */
  async end(): Promise<void> {
    this.#probes.postMessage('end');
    await once(this.#probes, 'exit');
    try {
      this.assertWell();
    } finally {
      await this.server.end();
      rmSync(this.server.dataDir, { recursive: true, force: true, maxRetries: 5 });
    }
    const sorted = this.#latenciesMs.toSorted((a, b) => a - b);
    const at = (share: number): number => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0);
    if (fuzzScale > 1) process.stdout.write(`health probes: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, slowest ${at(1)} ms\n`);
  }
}

/** The log prints each line as `error message`. A line without a level is not a log line but, for example, a stack trace. */
function isError(line: string): boolean {
  return !/^(?:debug|info|warn) /.test(line);
}

/** `warn the event loop was blocked for 1348 ms: … blockedMs=1348 cpuMs=287` */
function isBlocked(line: string): boolean {
  const cpuMs = / blockedMs=\d+ cpuMs=(\d+)/.exec(line)?.[1];
  return cpuMs !== undefined && Number(cpuMs) > blockedCpuMsMax;
}
