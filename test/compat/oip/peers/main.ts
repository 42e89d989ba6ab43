/**
 * `npm run conformance-peers`: runs the conformance suite against other servers and Penstock. All serve the same files with the
 * same onnxruntime. Prints the table of `docs/conformance.md` and the reason of each failure. Not part of `npm test`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { groups, type OutcomeCounts, runSuite, type SuiteReport } from '../../../../packages/conformance/src/index.ts';
import { SystemClock } from '../../../../src/clock.ts';
import { until } from '../../../end-to-end/poll.ts';
import { pythonEnvironment } from '../../python-environment.ts';
import { OipFixture } from '../oip-fixture.ts';

interface Peer {
  readonly name: string;
  readonly requirements: string;
  /** Arguments of the Python script that starts the server, including its ports. */
  readonly argv: (directory: string, ports: readonly number[]) => readonly string[];
  readonly assumed: readonly string[];
}

const assets = join(import.meta.dirname, '../../../../assets');
const here = (file: string): string => join(import.meta.dirname, file);
const mlserver: Peer = {
  name: 'MLServer',
  requirements: 'requirements-mlserver.txt',
  argv: (directory, ports) => [here('mlserver/serve.py'), assets, directory, ...ports.map(String)],
  assumed: [],
};
const kserve: Peer = {
  name: 'KServe',
  requirements: 'requirements-kserve-server.txt',
  argv: (_, [http, grpc]) => [here('kserve/serve.py'), assets, String(http), String(grpc)],
  assumed: [],
};
/** KServe serves binary data without announcing the extension, so one run assumes it. */
const peers: readonly Peer[] = [mlserver, kserve, { ...kserve, name: 'KServe, binary data asked for', assumed: ['binary_tensor_data'] }];

const startMsMax = 60_000;
const stopMsMax = 10_000;

async function main(): Promise<number> {
  const reports = new Map<string, SuiteReport>();
  const fixture = await OipFixture.open();
  try {
    reports.set('Penstock', await report(fixture.server.url, fixture.grpc));
  } finally {
    await fixture.close();
  }
  for (const peer of peers) {
    const environment = await pythonEnvironment('penstock-oip', here(`../python/${peer.requirements}`));
    if (typeof environment === 'string') process.stderr.write(`${peer.name} is left out: ${environment}\n`);
    else reports.set(peer.name, await call(peer, join(environment.bin, 'python')));
  }
  process.stdout.write(`${tableOf(reports)}\n`);
  for (const [name, { cases }] of reports) {
    const failed = cases.filter(({ outcome }) => outcome === 'failed');
    process.stdout.write(`\n${name}\n${failed.map(({ id, promise, reason }) => `  ${id} ${promise}: ${reason}\n`).join('')}`);
  }
  return 0;
}

async function call(peer: Peer, python: string): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-peer-'));
  const ports = await freePorts(3);
  const server = spawn(python, peer.argv(directory, ports), { stdio: ['ignore', 'ignore', 'inherit'], detached: true });
  try {
    const url = `http://127.0.0.1:${ports[0]}`;
    await until(`${peer.name} is ready`, () => isReady(url), startMsMax);
    return await report(url, `127.0.0.1:${ports[1]}`, peer.assumed);
  } finally {
    await stop(server);
    rmSync(directory, { recursive: true, force: true });
  }
}

function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/v2/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
}

function report(url: string, grpc: string, assumed: readonly string[] = []): Promise<SuiteReport> {
  const limits = { replyTimeoutMs: 10_000, limitMs: 300_000 };
  const interrupted = new AbortController().signal;
  return runSuite({ url, grpc, assumed, only: [], mayReload: true, ...limits, clock: new SystemClock(), interrupted });
}

/** Ends the whole process group, because KServe's server has children. */
async function stop(server: ChildProcess): Promise<void> {
  if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  const kill = (signal: NodeJS.Signals): void => void process.kill(-(server.pid as number), signal);
  kill('SIGTERM');
  const cancel = new SystemClock().after(stopMsMax, () => kill('SIGKILL'));
  await ended;
  cancel();
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await once(server, 'listening');
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) server.close();
  return ports;
}

function tableOf(reports: ReadonlyMap<string, SuiteReport>): string {
  const cell = ({ passed, failed, skipped }: OutcomeCounts): string => `${passed} / ${failed} / ${skipped}`;
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const row = (title: string, of: (report: SuiteReport) => OutcomeCounts): string =>
    line([title, ...Array.from(reports.values(), (each) => cell(of(each)))]);
  return [
    line(['passed / failed / skipped', ...Array.from(reports, ([name, { server }]) => `${name} ${server.version}`)]),
    line(['---', ...Array.from(reports, () => '---')]),
    ...(Object.keys(groups) as (keyof typeof groups)[]).map((group) => row(`${group} ${groups[group]}`, (each) => each.groups[group])),
    ...(['must', 'should', 'extension'] as const).map((level) => row(level, (each) => each.levels[level])),
    row('all', ({ total }) => total),
  ].join('\n');
}

process.exitCode = await main();
