/** wrk as a closed loop. It uses a fraction of the CPU of our own generator, which leaves more of a small machine for the server. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LoadReport } from './load.ts';

const run = promisify(execFile);

export interface WrkOptions {
  readonly host: string;
  readonly port: number;
  /** Whole requests, sent in turn. */
  readonly requests: readonly Uint8Array[];
  readonly concurrency: number;
  readonly measureMs: number;
  /** The only core that it may use. Default: all. */
  readonly core?: number | undefined;
}

interface WrkOutput {
  readonly answers: number;
  readonly seconds: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  readonly status: number;
  readonly broken: number;
}

export function hasWrk(): boolean {
  return spawnSync('wrk', ['--version']).error === undefined;
}

export async function runWrk({ host, port, requests, concurrency, measureMs, core }: WrkOptions): Promise<LoadReport> {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-wrk-'));
  try {
    const files = requests.map((request, i) => {
      const path = join(directory, String(i));
      writeFileSync(path, request);
      return path;
    });
    const script = fileURLToPath(new URL('./wrk.lua', import.meta.url));
    const load = ['-t1', `-c${concurrency}`, `-d${Math.ceil(measureMs / 1000)}s`, '-s', script, `http://${host}:${port}/`];
    const args = [...load, '--', ...files];
    const { stdout } = await (core === undefined ? run('wrk', args) : run('taskset', ['--cpu-list', String(core), 'wrk', ...args]));
    const { answers, seconds, status, broken, ...latencyMs } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as WrkOutput;
    const failures = { ...(status > 0 ? { status } : {}), ...(broken > 0 ? { broken } : {}) };
    return { answers, ratePerSecond: answers / seconds, latencyMs, inTime: 1, failures, generatorCpu: null };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
