/** An endpoint changes under load: its version, its instances, its settings. Nobody who calls it notices a failure. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { EndpointBody } from '../../src/api/index.ts';
import { assertSameTensors, sample } from '../models/index.ts';
import { Load } from './load.ts';
import { infer } from './oip-client.ts';
import { until } from './poll.ts';
import { Server } from './server.ts';

/** Equal inputs, different answers: which version answered shows in the answer itself. */
const models = { '1': 'digits_mlp', '2': 'digits_logreg' } as const;
const { inputs } = sample('digits_mlp');
const outputsBy = { '1': sample('digits_mlp').outputs, '2': sample('digits_logreg').outputs };

describe('an update under load', () => {
  let server: Server;
  /** The versions that answered, in order, each once while it answers in a row. */
  let answered: string[] = [];

  before(async () => {
    server = await Server.start();
    await server.deploy('digits', models[1]);
    await server.approve(await server.register('digits', models[2]));
    await server.batches('digits');
  });
  after(() => server?.end());

  async function call(): Promise<void> {
    const { status, error, outputs, version } = await infer(server.url, 'digits', inputs);
    assert.equal(status, 200, error?.error);
    assert(version === '1' || version === '2', version);
    assertSameTensors(outputs, outputsBy[version]);
    if (answered.at(-1) !== version) answered.push(version);
  }

  async function underLoad(change: () => Promise<void>): Promise<void> {
    answered = [];
    const load = Load.start(6, call);
    try {
      await load.more(100);
      await change();
      await load.more(100);
    } finally {
      await load.stop();
    }
    assert.deepEqual(load.failures, []);
  }

  async function update(settings: Record<string, unknown>): Promise<void> {
    await server.callWell('PATCH', '/endpoints/digits', settings);
    await server.inService('digits');
  }

  test('to a new version and back fails no request, and the answers switch', async () => {
    await underLoad(() => update({ variants: [{ model: 'digits/2' }] }));
    assert.deepEqual([answered[0], answered.at(-1)], ['1', '2']);
    answered = [];
    await call();
    assert.deepEqual(answered, ['2']);
    await underLoad(() => update({ variants: [{ model: 'digits/1', instance_count: 2 }] }));
    assert.deepEqual([answered[0], answered.at(-1)], ['2', '1']);
  });

  test('of its instances and its objective fails no request', async () => {
    await underLoad(async () => {
      await update({ variants: [{ model: 'digits/1', instance_count: 1 }], objective: 'p95<=200ms' });
      await update({ variants: [{ model: 'digits/1', instance_count: 3 }], objective: null });
    });
    assert.deepEqual(answered, ['1']);
  });

  test('that is watched takes over step by step, and may be taken back: no request fails', async () => {
    const steps = [
      { percent: 50, watch_s: 1 },
      { percent: 100, watch_s: 600 },
    ];
    await underLoad(async () => {
      await server.callWell('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/2' }], rollout: { steps, alarms: [] } });
      await until('half of the requests go to the new one', () => answered.includes('1') && answered.includes('2'));
      await until('all do', async () => {
        const { rollout } = await server.callWell<EndpointBody>('GET', '/endpoints/digits');
        return rollout?.share_percent === 100 && rollout.watched_since !== null;
      });
      answered = [];
      await until('the new one alone answers', () => answered.join() === '2');
      // What was before still runs: going back takes no start.
      await update({ variants: [{ model: 'digits/1', instance_count: 3 }] });
    });
    assert.equal(answered.at(-1), '1');
  });

  test('to one that refuses what the old one takes is taken back by its own requests, without an alarm', async () => {
    const version = await server.register('digits', 'iris_rf');
    await server.approve(version);
    const load = Load.start(6, async () => void (await infer(server.url, 'digits', inputs)));
    try {
      const steps = [
        { percent: 20, watch_s: 600 },
        { percent: 100, watch_s: 600 },
      ];
      await server.callWell('PATCH', '/endpoints/digits', {
        variants: [{ model: version.name }],
        rollout: { steps, alarms: [] },
        allow_signature_change: true,
      });
      await until('it is taken back', async () => {
        const { rollout, status } = await server.callWell<EndpointBody>('GET', '/endpoints/digits');
        return status === 'InService' && rollout?.state === 'taken-back';
      });
    } finally {
      await load.stop();
    }
    const { reason, variants } = await server.callWell<EndpointBody>('GET', '/endpoints/digits');
    assert.match(
      reason ?? '',
      /^the update was taken back: 100 % of the \d+ requests of digits\/3 were refused as wrong .* digits\/1: 0 %$/,
    );
    assert.equal(variants[0]?.model, 'digits/1');
  });

  test('to one of another signature is refused unless that is wanted, and one under way is taken back by hand', async () => {
    const refused = await server.call('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/3' }] });
    assert.equal(refused.status, 409);
    const steps = [{ percent: 100, watch_s: 600 }];
    await server.callWell('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/2', instance_count: 3 }], rollout: { steps } });
    const { rollout, variants } = await server.callWell<EndpointBody>('POST', '/endpoints/digits/rollback');
    assert.deepEqual([rollout?.state, rollout?.reason, variants[0]?.model], ['taken-back', 'asked for by hand', 'digits/1']);
    await server.inService('digits');
    const again = await server.call('POST', '/endpoints/digits/rollback');
    assert.equal(again.status, 409, 'what served before was taken back');
    await update({ variants: [{ model: 'digits/1', instance_count: 3 }] });
  });

  test('ends the workers of the old version', async () => {
    await until('only the workers of the new version and warm ones run', async () => {
      const { executors } = await server.callWell<{ executors: { ready: number } }>('GET', '/status');
      return executors.ready === 3 && server.workers().length <= 4;
    });
  });

  test('to a model that cannot be deployed leaves the old one serving', async () => {
    await server.register('digits', 'digits_rf');
    await underLoad(async () => {
      const refused = await server.call('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/4' }] });
      assert.equal(refused.status, 409);
    });
    assert.deepEqual(answered, ['1']);
  });

  test('many in a row end with the last one asked for, and fail no request', async () => {
    await underLoad(async () => {
      for (const version of [2, 1, 2, 1, 2])
        await server.callWell('PATCH', '/endpoints/digits', { variants: [{ model: `digits/${version}` }] });
      await server.inService('digits');
    });
    assert.equal(answered.at(-1), '2');
  });
});

test('an endpoint that is deleted under load answers what it took, then says that it goes, then is unknown', async () => {
  const server = await Server.start();
  try {
    await server.deploy('digits', 'digits_mlp');
    const statuses = new Set<number>();
    const load = Load.start(6, async () => {
      const { status, error } = await infer(server.url, 'digits', inputs);
      statuses.add(status);
      if (status === 503) assert.match(error?.error ?? '', /digits/);
      assert.notEqual(status, 404, 'gone');
    });
    await load.more(50);
    await server.callWell('DELETE', '/endpoints/digits');
    await until('it is gone for everybody', () => load.failures.length === 6);
    await load.stop();
    for (const failure of load.failures) assert.match(failure, /gone/);
    for (const status of statuses) assert([200, 503, 404].includes(status), `${status}`);
  } finally {
    await server.end();
  }
});
