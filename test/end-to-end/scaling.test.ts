/** Scaling of instances with their load, through the installed program. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { PageBody, ScalingDecisionBody, VariantBody } from '../../src/api/index.ts';
import { SystemClock } from '../../src/clock.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const run = promisify(execFile);
const clock = new SystemClock();

/** An instance counts as full at a twentieth of its capacity, so that little load is sufficient. */
const policy = 'economic,rho=0.05,hold=1';

describe('the number of instances', () => {
  const dataDir = temporaryDirectory();
  let server: Server;
  let isLoading = false;
  const failures: string[] = [];
  before(async () => {
    server = await Server.start({ dataDir });
  });
  after(async () => {
    isLoading = false;
    await server?.end();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const variant = async (): Promise<VariantBody> => (await server.endpoint('digits')).variants[0] as VariantBody;
  const decisions = async (): Promise<readonly ScalingDecisionBody[]> =>
    (await server.callWell<PageBody<ScalingDecisionBody>>('GET', '/endpoints/digits/decisions?kind=scaling&limit=50')).items;
  const cli = (...argv: string[]) => run(penstock, [...argv, '--data-dir', dataDir], { cwd: tmpdir(), env: plainEnvironment() });

  /** About 40 sequential requests per second of many rows, because scaling counts rows: enough of them also on a busy machine. */
  async function load(): Promise<void> {
    const instances = Array.from({ length: 128 }, () => Array.from({ length: 64 }, () => 1));
    while (isLoading) {
      const { status, body } = await server.call('POST', '/endpoints/digits/invoke', { instances });
      if (status !== 200) failures.push(JSON.stringify(body));
      await new Promise<void>((resolve) => void clock.after(20, resolve));
    }
  }

  test('rises with the load and falls after it, without failed requests, and decisions explain why', { timeout: 150_000 }, async () => {
    const options = ['--scaling', policy, '--max-instances', '3', '--approve', '--objective', 'p95<=500ms'];
    await cli('deploy', 'catalogue:digits-mlp', 'digits', ...options);
    assert.deepEqual((await variant()).scaling, { policy, instances_min: 1, instances_max: 3, usd_per_hour_max: null });
    isLoading = true;
    const loading = load();
    await until('more instances are ready', async () => (await variant()).ready >= 2, 60_000);
    const { generation } = await server.endpoint('digits');
    assert.equal(generation, 1, 'scaling does not change the config');
    isLoading = false;
    await loading;
    await until('one instance is left', async () => (await variant()).wanted === 1 && (await variant()).ready === 1, 80_000);
    assert.deepEqual(failures, []);
    const all = await decisions();
    const [grown, shrunk] = ['grew to', 'shrank to'].map((word) => all.find(({ explanation }) => explanation.startsWith(word)));
    assert.match(grown?.explanation ?? '', /^grew to [23] × local\.1: /);
    assert(grown?.chosen.actions.every(({ op }) => op === 'launch'));
    assert(shrunk?.chosen.actions.some(({ op }) => op === 'drain'));
    await until('the effect of a decision is known', async () => (await decisions()).some(({ effect }) => effect !== null), 60_000);
    const { stdout } = await cli('decisions', 'digits');
    assert.match(stdout, /^WHEN \(UTC\) +TRIGGER +(?:REVIEWS +)?LAST SLOT +BEFORE +INSTANCES .* WHY\n/m);
    assert.match(
      (await cli('describe', 'digits')).stdout,
      /SCALING OF +WANTED +BY\nAllTraffic +1 +economic,rho=0\.05,hold=1: 1 to 3 instances/,
    );
  });

  test('and its decisions survive a kill', { timeout: 60_000 }, async () => {
    await server.callWell('POST', '/endpoints/digits/decisions');
    server.signal('SIGKILL');
    await server.ended;
    server = await Server.start({ dataDir });
    await until('the endpoint serves again', async () => (await server.endpoint('digits')).status === 'InService');
    const restored = await until('scaling continues', async () => (await decisions()).find(({ trigger }) => trigger === 'restore'));
    assert.equal(restored.inputs?.strategy, policy);
    assert((await decisions()).length > 1, 'earlier decisions are retained');
  });
});
