/** `npm run bench -- cluster`: answers by the number of hosts, and latency through three nodes beside that of one server. */
import { type LoadResult, poissonArrivals, runOpenLoop } from '../../src/cli/load/open-loop.ts';
import { SystemClock } from '../../src/clock.ts';
import { SeededRandom } from '../../src/random.ts';
import { whyNoPostgres } from '../../test/postgres-server.ts';
import { summarize } from '../load/latencies.ts';
import { closedLoop } from '../load/measured-loop.ts';
import { commit, machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import { LocalCluster } from './local-cluster.ts';
import { clusterTable, type HostsFigures, type NodesFigures } from './report.ts';

const seed = 20_261_130;
const scalingSleepMs = 10;
const hostCounts = [1, 2, 4, 8] as const;
const connectionsPerHost = 8;
const [warmUpMs, slowWarmUpMs] = [4000, 10_000];
const latencySleepMs = 50;
const latencyHosts = 4;
const nodeCount = 3;
/** Of all nodes together. A node passes a connection on to the home if it sends nothing in its first second, so few are idle. */
const connections = 24;
const loads = [0.6, 0.9] as const;

interface BenchOptions {
  readonly rounds: number;
  readonly seconds: number;
}

/** A closed loop takes `seconds`, an open one twice as long, in each round. */
export async function clusterBench({ rounds, seconds, isDry }: BenchOptions & { readonly isDry: boolean }): Promise<void> {
  const problem = whyNoPostgres();
  if (problem !== false) throw new Error(problem);
  const hosts = await measureHosts({ rounds, seconds });
  const nodes = await measureNodes({ rounds, seconds });
  const results = { at: new Date().toISOString(), commit: commit(), machine: machine(), rounds, hosts, nodes };
  console.log(clusterTable(results));
  if (!isDry) writeResults('cluster', results, clusterTable(results));
}

async function measureHosts({ rounds, seconds }: BenchOptions): Promise<HostsFigures[]> {
  const cluster = new LocalCluster(scalingSleepMs);
  const measured: HostsFigures[] = [];
  try {
    await cluster.start({ nodes: 1, hosts: Math.max(...hostCounts) });
    for (const hosts of hostCounts) {
      await cluster.deploy(hosts);
      const placed = await cluster.workersByHost();
      const used = placed.filter((workers) => workers === 1).length;
      if (used !== hosts || placed.some((workers) => workers > 1))
        throw new Error(`expected one worker on each of ${hosts} hosts, found ${placed.join(', ')}`);
      const [node] = cluster.nodes;
      if (node === undefined) throw new Error('no node runs');
      const target = { url: node.url, requests: [cluster.request(node)] };
      const concurrency = connectionsPerHost * hosts;
      await closedLoop(target, concurrency, warmUpMs);
      for (let round = 1; round <= rounds; round++) {
        console.error(`${hosts} hosts, round ${round} of ${rounds}`);
        const before = cluster.cpuMs();
        const { answers, ratePerSecond, latencyMs, failures } = await closedLoop(target, concurrency, seconds * 1000);
        const after = cluster.cpuMs();
        const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
        if (failed > 0) throw new Error(`${failed} of ${answers + failed} requests failed: ${JSON.stringify(failures)}`);
        const us = (role: keyof typeof after): number => ((after[role] - before[role]) * 1000) / answers;
        const cpuUs = { home: us('home'), fronts: us('fronts'), agents: us('agents'), workers: us('workers') };
        measured.push({ hosts, round, ratePerSecond, p50Ms: latencyMs.p50, cpuUs });
      }
    }
    return measured;
  } finally {
    await cluster.close();
  }
}

async function measureNodes({ rounds, seconds }: BenchOptions): Promise<NodesFigures[]> {
  const [alone, cluster] = [new LocalCluster(latencySleepMs), new LocalCluster(latencySleepMs)];
  try {
    await alone.startAlone();
    await cluster.start({ nodes: nodeCount, hosts: latencyHosts });
    const figures: NodesFigures[] = [];
    for (const subject of [alone, cluster]) {
      await subject.deploy(latencyHosts);
      await openLoop(subject, { share: 0.5, ms: slowWarmUpMs, round: 0 });
    }
    for (const share of loads) {
      const latencies: [alone: number[], cluster: number[]] = [[], []];
      for (let round = 1; round <= rounds; round++) {
        for (const [at, subject] of [alone, cluster].entries()) {
          console.error(`${100 * share} % load, ${at === 0 ? 'one server' : `${nodeCount} nodes`}, round ${round} of ${rounds}`);
          latencies[at]?.push(...(await openLoop(subject, { share, ms: seconds * 2000, round })));
        }
      }
      const [ofAlone, ofCluster] = [summarize(latencies[0]), summarize(latencies[1])];
      figures.push({ share, requests: latencies[0].length, alone: ofAlone, cluster: ofCluster });
    }
    return figures;
  } finally {
    await cluster.close();
    await alone.close();
  }
}

/** The same arrivals in each round for both, spread over all nodes. Returns latencies in milliseconds. */
async function openLoop(
  cluster: LocalCluster,
  { share, ms, round }: { readonly share: number; readonly ms: number; readonly round: number },
): Promise<number[]> {
  const ratePerSecond = (share * latencyHosts * 1000) / latencySleepMs;
  const arrivals = poissonArrivals([{ ratePerSecond, forMs: ms }], new SeededRandom(seed + round));
  const { nodes } = cluster;
  const results: LoadResult[] = await Promise.all(
    nodes.map((node, at) => {
      const request = cluster.request(node);
      return runOpenLoop({
        clock: new SystemClock(),
        host: node.url.hostname,
        port: Number(node.url.port),
        requestOf: () => request,
        arrivalsMs: arrivals.filter((_, i) => i % nodes.length === at),
        connections: connections / nodes.length,
      });
    }),
  );
  const failures = results.flatMap((result) => [...result.failures]);
  if (failures.length > 0) throw new Error(`requests failed: ${JSON.stringify(failures)}`);
  return results.flatMap(({ latenciesMs }) => latenciesMs);
}
