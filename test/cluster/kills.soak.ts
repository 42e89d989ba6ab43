/** How long slots are without a living owner when a node is killed or stopped: `npm run soak:cluster`. Prints the times. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { slotCount } from '../../src/cluster/index.ts';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../postgres-server.ts';
import { ClusterFixture } from './cluster-fixture.ts';

const names = ['g1', 'g2', 'g3'];
const script = join(import.meta.dirname, 'member-process.ts');

interface NodeProcess {
  readonly process: ChildProcess;
  slots: number;
}

describe('nodes that are killed and stopped', { skip: whyNoPostgres() }, () => {
  let server: PostgresServer;
  const nodes = new Map<string, NodeProcess>();
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-kills-')));
  });
  after(async () => {
    for (const { process } of nodes.values()) process.kill('SIGKILL');
    await server?.stop();
  });

  const start = (name: string, url: string): void => {
    const child = spawn(process.execPath, [script, url, name], { stdio: ['ignore', 'pipe', 'inherit'] });
    const node: NodeProcess = { process: child, slots: 0 };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      node.slots = Number(text.trim().split('\n').at(-1));
    });
    nodes.set(name, node);
  };
  const slotsOf = (...of: readonly string[]): number => of.reduce((sum, name) => sum + (nodes.get(name)?.slots ?? 0), 0);
  const isBalanced = (): boolean => names.every((name) => slotsOf(name) >= 85) && slotsOf(...names) === slotCount;

  test('slots have a new owner within a second after a kill, and within five after a stop', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    for (const name of names) start(name, cluster.url);
    const times = { SIGKILL: [] as number[], SIGSTOP: [] as number[] };
    for (let round = 0; round < 13; round++) {
      await until(isBalanced);
      const name = names[round % names.length] ?? '';
      const others = names.filter((other) => other !== name);
      const signal = round < 10 ? 'SIGKILL' : 'SIGSTOP';
      const fromMs = performance.now();
      nodes.get(name)?.process.kill(signal);
      await until(() => slotsOf(...others) === slotCount);
      times[signal].push(Math.round(performance.now() - fromMs));
      if (signal === 'SIGKILL') start(name, cluster.url);
      else nodes.get(name)?.process.kill('SIGCONT');
    }
    await until(isBalanced);
    t.diagnostic(`ms without an owner after SIGKILL: ${times.SIGKILL.join(' ')}; after SIGSTOP: ${times.SIGSTOP.join(' ')}`);
    const median = times.SIGKILL.toSorted((a, b) => a - b)[5] ?? 0;
    assert(median <= 1000, `median ${median} ms`);
    assert(Math.max(...times.SIGKILL) <= 3000);
    assert(Math.max(...times.SIGSTOP) <= 5000);
  });
});

async function until(isMet: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!isMet()) {
    assert(performance.now() < deadline, 'the condition is not met in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
