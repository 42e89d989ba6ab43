/** h2load as a closed loop over HTTP/2 and HTTP/1.1, so that gRPC and REST are compared with the same generator. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type LatencySummary, summarize } from './latencies.ts';

const run = promisify(execFile);

export interface H2loadOptions {
  readonly url: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  /** Concurrent requests per connection; 1 uses HTTP/1.1. */
  readonly streams: number;
  readonly measureMs: number;
}

export interface H2loadReport {
  /** Responses with HTTP status 200. gRPC's own status is not visible here: use the server's counters. */
  readonly ratePerSecond: number;
  readonly latencyMs: LatencySummary;
}

export function hasH2load(): boolean {
  return spawnSync('h2load', ['--version']).error === undefined;
}

/** Throws if any request fails. */
export async function runH2load({ url, body, headers, connections, streams, measureMs }: H2loadOptions): Promise<H2loadReport> {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-bench-'));
  try {
    const [bodyFile, logFile] = [join(directory, 'body'), join(directory, 'log')];
    writeFileSync(bodyFile, body);
    const shape = streams === 1 ? ['--h1', '-c', String(connections)] : ['-c', String(connections), '-m', String(streams)];
    const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    const seconds = String(Math.ceil(measureMs / 1000));
    await run('h2load', [...shape, '-D', seconds, '--warm-up-time', '1', '--log-file', logFile, '-d', bodyFile, ...fields, url]);
    return reportOf(readFileSync(logFile, 'utf8'), Number(seconds), connections * streams);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Log lines: send time, status, duration in microseconds. Requests in flight at the end have status 0 or below. */
function reportOf(log: string, seconds: number, inFlightMax: number): H2loadReport {
  const requests = log
    .trim()
    .split('\n')
    .map((line) => line.split('\t').map(Number) as [number, number, number]);
  const answered = requests.filter(([, status]) => status === 200);
  const others = requests.filter(([, status]) => status !== 200);
  const failed = others.find(([, status]) => status !== 0);
  if (failed !== undefined || others.length > inFlightMax) {
    throw new Error(`${others.length} requests failed, one with status ${failed?.[1] ?? 'none'}`);
  }
  return { ratePerSecond: answered.length / seconds, latencyMs: summarize(answered.map(([, , us]) => us / 1000)) };
}
