/** `npm run bench -- host-link`: the round trip of a run to a worker of this machine, and to one of a host, through its agent. */

import type { Provider } from '../../src/providers/index.ts';
import type { ServingLink, TensorParts } from '../../src/runtime/index.ts';
import { floats, HostsFixture, viewWhere, workerSpec } from '../../test/hosts-fixture.ts';
import { TestCluster } from '../../test/links-fixture.ts';
import { machine } from '../machine.ts';

const warmUp = 50;
/** By what is sent: rows of 12 bytes, and runs. */
const loads = [
  { what: '12 B', rows: 1, runs: 2000 },
  { what: '600 kB', rows: 50_000, runs: 200 },
  { what: '19 MB', rows: 1_600_000, runs: 5 },
] as const;

/** Prints medians and 99th percentiles in milliseconds, and how many times longer a run by a host takes. */
export async function hostLinkBench(): Promise<void> {
  const fixture = new HostsFixture();
  try {
    const local = await fixture.openLocal();
    const plain = await fixture.openHome();
    await fixture.spawnHost(plain, 'h1');
    const secure = await fixture.openHome();
    const cluster = await TestCluster.create();
    const [ofHome, ofAgent] = await Promise.all([
      cluster.identityOf({ role: 'node', name: 'a' }),
      cluster.identityOf({ role: 'host', name: 'h2' }),
    ]);
    await fixture.spawnHost(secure, 'h2', { ofHome, ofAgent });
    const links = [await linkOf(local), await linkOf(plain), await linkOf(secure)];
    console.log(JSON.stringify(machine()));
    console.log('| run | unix socket p50 / p99 ms | host, TCP | host, TLS | TLS to unix socket, p50 |\n|---|---|---|---|---|');
    for (const { what, rows, runs } of loads) {
      const times = [];
      for (const link of links) times.push(await timesOf(link, [floats('x', [rows, 3], 0.5)], runs));
      const texts = times.map(({ p50, p99 }) => `${p50.toFixed(3)} / ${p99.toFixed(3)}`);
      const ratio = (times.at(-1)?.p50 ?? 0) / (times[0]?.p50 ?? 1);
      console.log(`| ${[what, ...texts, `${ratio.toFixed(2)} x`].join(' | ')} |`);
    }
  } finally {
    await fixture.close();
  }
}

async function linkOf(provider: Provider): Promise<ServingLink> {
  await provider.start(workerSpec('test_affine', { id: 'bench', memoryMiB: 2048 }));
  await viewWhere(provider, ({ state }) => state === 'ready');
  return provider.link('bench') as ServingLink;
}

async function timesOf(
  link: ServingLink,
  inputs: readonly TensorParts[],
  runs: number,
): Promise<{ readonly p50: number; readonly p99: number }> {
  for (let run = 0; run < Math.min(warmUp, runs); run++) await link.run(inputs);
  const times = new Float64Array(runs);
  for (let run = 0; run < runs; run++) {
    const startMs = performance.now();
    await link.run(inputs);
    times[run] = performance.now() - startMs;
  }
  times.sort();
  return { p50: times[runs >> 1] as number, p99: times[Math.floor(0.99 * (runs - 1))] as number };
}
