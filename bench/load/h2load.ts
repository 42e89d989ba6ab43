/** h2load as a closed loop over HTTP/2 and HTTP/1.1: one generator for gRPC and REST, so that they can be compared. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type LatencySummary, summarize } from './latencies.ts';

const run = promisify(execFile);

export interface H2loadOrder {
  readonly url: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  /** Requests under way on each connection; 1 speaks HTTP/1.1. */
  readonly streams: number;
  readonly measureMs: number;
}

export interface H2loadReport {
  /** Answers with status 200. Whether gRPC's own status was OK does not show here: ask the server. */
  readonly ratePerSecond: number;
  readonly latencyMs: LatencySummary;
}

export function hasH2load(): boolean {
  return spawnSync('h2load', ['--version']).error === undefined;
}

/** Throws where any request fails. */
export async function runH2load({ url, body, headers, connections, streams, measureMs }: H2loadOrder): Promise<H2loadReport> {
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

/** Lines of: when it was sent, status, how long it took, in microseconds. Those that were under way at the end have no status. */
function reportOf(log: string, seconds: number, underWay: number): H2loadReport {
  const requests = log
    .trim()
    .split('\n')
    .map((line) => line.split('\t').map(Number) as [number, number, number]);
  const answered = requests.filter(([, status]) => status === 200);
  const others = requests.filter(([, status]) => status !== 200);
  const failed = others.find(([, status]) => status !== 0);
  if (failed !== undefined || others.length > underWay) {
    throw new Error(`${others.length} requests failed, one with status ${failed?.[1] ?? 'none'}`);
  }
  return { ratePerSecond: answered.length / seconds, latencyMs: summarize(answered.map(([, , us]) => us / 1000)) };
}
