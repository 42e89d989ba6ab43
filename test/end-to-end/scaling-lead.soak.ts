/**
 * A load that triples while instances take 20 seconds to start: functions absorb what the existing instance cannot finish in time,
 * more instances start, and stop again after the load.
 *
 * The model is a process that sleeps for 0.2 s. An instance therefore serves five requests per second on a busy machine as on a
 * quiet one. Latencies are taken from the server's own clock.
 */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { CostsBody, EndpointBody, PageBody, RegisteredBody, ScalingDecisionBody, VariantBody } from '../../src/api/index.ts';
import { SystemClock } from '../../src/clock.ts';
import { messageOf } from '../../src/errors.ts';
import { scorerBundle, scorerCommand, scorerPaths, skip } from '../processes/index.ts';
import { until } from './poll.ts';
import { Server, temporaryDirectory } from './server.ts';

const requested = 'sleep:0.2';
const perInstance = 5;
const objectiveMs = 2000;
const leadMs = 20_000;
const slotMs = 10_000;
const clock = new SystemClock();
const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));

interface LogLine {
  readonly at: number;
  readonly status: string;
  readonly executor: string;
  readonly totalMs: number;
}

/** An open-loop load that runs until `end`. */
class OpenLoad {
  perSecond: number;
  readonly failures: string[] = [];
  sent = 0;
  readonly #server: Server;
  readonly #answers: Promise<void>[] = [];
  #cancel: () => void = () => undefined;

  constructor(server: Server, perSecond: number) {
    this.#server = server;
    this.perSecond = perSecond;
    this.#sendAt(clock.nowMs());
  }

  async end(): Promise<void> {
    this.#cancel();
    await Promise.all(this.#answers);
  }

  #sendAt(atMs: number): void {
    this.#cancel = clock.after(atMs - clock.nowMs(), () => {
      this.#answers.push(this.#send());
      this.#sendAt(atMs + 1000 / this.perSecond);
    });
  }

  async #send(): Promise<void> {
    this.sent++;
    try {
      const answer = await fetch(`${this.#server.url}/api/v1/endpoints/pictures/invoke`, { method: 'POST', body: requested });
      const text = await answer.text();
      if (answer.status !== 200) this.failures.push(text);
    } catch (error) {
      this.failures.push(messageOf(error));
    }
  }
}

describe('when the load steps up threefold and instances take 20 s to start', { skip }, () => {
  const dataDir = temporaryDirectory();
  let server: Server;
  before(async () => {
    const images = [{ match: 'scorer', runtime: 'process', command: scorerCommand, paths: scorerPaths }];
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ images }));
    server = await Server.start({ dataDir, flags: ['--start-delay', `${leadMs}ms`] });
  });
  let load: OpenLoad | undefined;
  after(async () => {
    await load?.end();
    await server?.end();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const variant = async (): Promise<VariantBody> => (await server.endpoint('pictures')).variants[0] as VariantBody;

  async function deployed(): Promise<void> {
    const url = `${server.url}/api/v1/groups/pictures/versions?image=scorer`;
    const registered = await fetch(url, { method: 'POST', body: new Uint8Array(await scorerBundle()) });
    const { version } = (await registered.json()) as RegisteredBody;
    await server.approve(version);
    // A policy by rate alone, so scaling does not depend on prices.
    const functions = { memory_mib: 1024, max_concurrency: 4 };
    const scaling = { policy: 'hpa:100,window=15+overflow', instances_min: 1, instances_max: 3 };
    const variants = [{ model: version.name, instance_count: 1, functions, scaling }];
    await server.callWell('POST', '/endpoints', { name: 'pictures', variants, objective: `p99<=${objectiveMs}ms` });
    const isServed = ({ status, variants: all }: EndpointBody): boolean => status === 'InService' && all[0]?.ready === 1;
    await until('one instance serves', async () => isServed(await server.endpoint('pictures')), 60_000);
  }

  const decisions = async (): Promise<readonly ScalingDecisionBody[]> =>
    (await server.callWell<PageBody<ScalingDecisionBody>>('GET', '/endpoints/pictures/decisions?kind=scaling&limit=100')).items;

  /** The request log, as the server wrote it. */
  async function linesSince(wallMs: number, least: number): Promise<LogLine[]> {
    const read = (): LogLine[] =>
      readFileSync(join(dataDir, 'logs/requests.log'), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as LogLine)
        .filter(({ at }) => at >= wallMs);
    return until('all requests are in the log', () => read().length >= least && read(), 5000);
  }

  test('fails no request, is 99 % in time, scales out and in, and bills all of it', {
    timeout: 300_000,
  }, async () => {
    await deployed();
    const beganMs = clock.wallMs();
    load = new OpenLoad(server, 0.5 * perInstance);
    await until('a function is kept warm before it is needed', async () => ((await variant()).environments?.idle ?? 0) > 0, 40_000);
    await until('one instance is enough', async () => (await variant()).wanted === 1 && (await variant()).ready === 1, 60_000);
    await pause(slotMs - (clock.wallMs() % slotMs));
    load.perSecond *= 3;
    const steppedMs = clock.nowMs();
    await until('another instance serves', async () => (await variant()).ready >= 2, 70_000);
    const followedMs = clock.nowMs() - steppedMs;
    assert(followedMs >= leadMs, `${followedMs} ms after the load had risen`);
    await pause(3000);
    load.perSecond /= 9;
    await until('one instance is left', async () => (await variant()).wanted === 1 && (await variant()).ready === 1, 120_000);
    await load.end();

    assert.deepEqual(load.failures, []);
    const lines = await linesSince(beganMs, load.sent);
    const inTime = lines.filter(({ status, totalMs }) => status === 'ok' && totalMs <= objectiveMs).length / lines.length;
    const byFunctions = lines.filter(({ executor }) => executor === 'function:1024').length / lines.length;
    assert(inTime >= 0.99, `${(100 * inTime).toFixed(2)} % of ${lines.length} in time, ${(100 * byFunctions).toFixed(1)} % by functions`);
    assert(byFunctions > 0.02, `${(100 * byFunctions).toFixed(1)} % by functions`);

    const all = await decisions();
    const [grown, shrunk] = ['grew to', 'shrank to'].map((word) => all.find(({ explanation }) => explanation.startsWith(word)));
    assert(grown !== undefined && shrunk !== undefined && grown.inputs?.types['local.1'] !== undefined);
    assert(grown.inputs.types['local.1'].lead_s >= leadMs / 1000, 'the decision uses the measured start time');
    assert(all.some(({ chosen }) => (chosen.warm_functions ?? 0) > 0));

    const { items } = await server.callWell<CostsBody>('GET', '/costs?endpoint=pictures');
    const [bill] = items;
    assert(bill !== undefined && bill.invocations > 0 && bill.function_usd > 0 && bill.provisioned_seconds > 0);
    assert(bill.total_usd >= bill.instance_usd + bill.function_usd - 1e-12);
    const oneAlone = (clock.wallMs() - beganMs) / 1000;
    assert(bill.instance_seconds - bill.provisioned_seconds > oneAlone + 3, 'more than one instance was billed for a while');
  });
});
