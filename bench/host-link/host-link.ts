/**
 * `npm run bench -- host-link`: the round trip of a run to a worker of this machine, and to one of a host, through its agent, and the
 * processor time of the home and of the agent for it; beside them, the same bytes through TLS alone, both ways. All take turns.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { releaseResultMemory } from '../../src/buffer-release.ts';
import type { Provider } from '../../src/providers/index.ts';
import type { ServingLink, TensorParts } from '../../src/runtime/index.ts';
import { floats, HostsFixture, viewWhere, workerSpec } from '../../test/hosts-fixture.ts';
import { TestCluster } from '../../test/links-fixture.ts';
import { commit, machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import { TlsEcho } from './floor.ts';

const warmUp = 50;
const rounds = 5;
/** By what is sent: rows of 12 bytes, and runs in a round. */
const loads = [
  { what: '12 B', rows: 1, runs: 500 },
  { what: '600 kB', rows: 50_000, runs: 100 },
  { what: '19 MB', rows: 1_600_000, runs: 3 },
] as const;

/** How the bytes of a run travel. */
interface Way {
  readonly name: string;
  readonly run: (inputs: readonly TensorParts[]) => Promise<void>;
  /** The processes whose time counts, besides the worker's. */
  readonly pids: readonly number[];
}

/** Per run: medians of the rounds. Times in milliseconds, processor time in microseconds. */
interface Costs {
  readonly p50: number;
  readonly p99: number;
  readonly cpuUs: number;
}

/** Prints medians and 99th percentiles, processor time, and ratios to the worker of this machine. */
export async function hostLinkBench({ isDry }: { readonly isDry: boolean }): Promise<void> {
  const fixture = new HostsFixture();
  const echoes: TlsEcho[] = [];
  try {
    const local = await fixture.openLocal();
    const plain = await fixture.openHome();
    const plainAgent = await fixture.spawnHost(plain, 'h1');
    const secure = await fixture.openHome();
    const cluster = await TestCluster.create();
    const [ofHome, ofAgent] = await Promise.all([
      cluster.identityOf({ role: 'node', name: 'a' }),
      cluster.identityOf({ role: 'host', name: 'h2' }),
    ]);
    const secureAgent = await fixture.spawnHost(secure, 'h2', { ofHome, ofAgent });
    const echo = await TlsEcho.open(ofAgent, ofHome);
    echoes.push(echo);
    const ways: readonly Way[] = [
      { name: 'unix socket', run: runsOn(await linkOf(local)), pids: [process.pid] },
      { name: 'host, TCP', run: runsOn(await linkOf(plain)), pids: [process.pid, plainAgent.pid as number] },
      { name: 'TLS alone', run: ([input]) => echo.run(bufferOf(input?.parts[0])), pids: [process.pid, echo.pid] },
      { name: 'host, TLS', run: runsOn(await linkOf(secure)), pids: [process.pid, secureAgent.pid as number] },
    ];
    const columns = ways.map(({ name }) => `${name}: p50 / p99 ms, CPU us`);
    const lines = [
      `| run | ${[...columns, 'host, TLS by unix socket: p50, CPU', 'lowest possible'].join(' | ')} |`,
      '|---|---|---|---|---|---|---|',
    ];
    const results: object[] = [];
    for (const { what, rows, runs } of loads) {
      const costs = await costsOf(ways, [floats('x', [rows, 3], 0.5)], runs);
      const texts = costs.map(({ p50, p99, cpuUs }) => `${p50.toFixed(3)} / ${p99.toFixed(3)}, ${cpuUs.toFixed(0)}`);
      const [first, alone, last] = [costs[0] as Costs, costs[2] as Costs, costs[3] as Costs];
      const ratios = [
        `${(last.p50 / first.p50).toFixed(2)} x, ${(last.cpuUs / first.cpuUs).toFixed(2)} x`,
        // The agent runs the worker as the home does here, and TLS comes on top.
        `${(1 + alone.p50 / first.p50).toFixed(2)} x, ${(1 + alone.cpuUs / first.cpuUs).toFixed(2)} x`,
      ];
      lines.push(`| ${[what, ...texts, ...ratios].join(' | ')} |`);
      results.push({ what, ...Object.fromEntries(ways.map(({ name }, index) => [name, costs[index]])) });
    }
    const on = machine();
    const at = new Date().toISOString();
    const head = `${at.slice(0, 10)}, commit ${commit()}, ${on.cores} cores (${on.cpu}, Node ${on.node}), medians of ${rounds} rounds.`;
    const text = `${head}\n\n${lines.join('\n')}`;
    console.log(text);
    if (!isDry) writeResults('host-link', { at, commit: commit(), machine: on, results }, text);
  } finally {
    for (const echo of echoes) await echo.close();
    await fixture.close();
  }
}

/** As the server does, frees a large result when it is no longer needed. */
function runsOn(link: ServingLink): Way['run'] {
  return async (inputs) => {
    const { outputs } = await link.run(inputs);
    releaseResultMemory(outputs.map(({ data }) => data));
  };
}

/** A view of the only part of an input. */
function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array = new Uint8Array()): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

async function linkOf(provider: Provider): Promise<ServingLink> {
  await provider.start(workerSpec('test_affine', { id: 'bench', memoryMiB: 2048 }));
  await viewWhere(provider, ({ state }) => state === 'ready');
  return provider.link('bench') as ServingLink;
}

async function costsOf(ways: readonly Way[], inputs: readonly TensorParts[], runs: number): Promise<Costs[]> {
  for (const way of ways) for (let run = 0; run < Math.min(warmUp, runs); run++) await way.run(inputs);
  const all = ways.map(() => [] as Costs[]);
  for (let round = 0; round < rounds; round++) {
    for (const [index, way] of ways.entries()) all[index]?.push(await roundOf(way, inputs, runs));
  }
  return all.map((costs) => ({
    p50: medianOf(costs.map(({ p50 }) => p50)),
    p99: medianOf(costs.map(({ p99 }) => p99)),
    cpuUs: medianOf(costs.map(({ cpuUs }) => cpuUs)),
  }));
}

async function roundOf({ run: runOnce, pids }: Way, inputs: readonly TensorParts[], runs: number): Promise<Costs> {
  const before = cpuUsOf(pids);
  const times = new Float64Array(runs);
  for (let run = 0; run < runs; run++) {
    const startMs = performance.now();
    await runOnce(inputs);
    times[run] = performance.now() - startMs;
  }
  times.sort();
  const cpuUs = (cpuUsOf(pids) - before) / runs;
  return { p50: times[runs >> 1] as number, p99: times[Math.floor(0.99 * (runs - 1))] as number, cpuUs };
}

/** Of all threads of these processes. */
function cpuUsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1000;
    }
    return sum;
  }, 0);
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}
