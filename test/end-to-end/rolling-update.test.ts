/** Updates of an endpoint's version, instances and settings under load fail no requests. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { EndpointBody } from '../../src/api/index.ts';
import { assertSameTensors, sample } from '../models/index.ts';
import { Load } from './load.ts';
import { infer } from './oip-client.ts';
import { until } from './poll.ts';
import { Server } from './server.ts';

/** Equal inputs, different outputs: the outputs show which version answered. */
const models = { '1': 'digits_mlp', '2': 'digits_logreg' } as const;
const { inputs } = sample('digits_mlp');
const outputsBy = { '1': sample('digits_mlp').outputs, '2': sample('digits_logreg').outputs };

describe('an update under load', () => {
  let server: Server;
  /** The versions that answered, in order, without consecutive duplicates. */
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

  test('to a new version and back fails no request, and the outputs change', async () => {
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

  test('that is watched shifts traffic step by step and can be rolled back without failed requests', async () => {
    const steps = [
      { percent: 50, watch_s: 1 },
      { percent: 100, watch_s: 600 },
    ];
    await underLoad(async () => {
      await server.callWell('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/2' }], rollout: { steps, alarms: [] } });
      await until('half of the requests go to the new version', () => answered.includes('1') && answered.includes('2'));
      await until('all requests go to the new version', async () => {
        const { rollout } = await server.callWell<EndpointBody>('GET', '/endpoints/digits');
        return rollout?.share_percent === 100 && rollout.watched_since !== null;
      });
      answered = [];
      await until('only the new version answers', () => answered.join() === '2');
      // The old workers are still running, so a rollback starts none.
      await update({ variants: [{ model: 'digits/1', instance_count: 3 }] });
    });
    assert.equal(answered.at(-1), '1');
  });

  test('to a version that rejects the requests is rolled back without an alarm', async () => {
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
      await until('the update is rolled back', async () => {
        const { rollout, status } = await server.callWell<EndpointBody>('GET', '/endpoints/digits');
        return status === 'InService' && rollout?.state === 'rolled-back';
      });
    } finally {
      await load.stop();
    }
    const { reason, variants } = await server.callWell<EndpointBody>('GET', '/endpoints/digits');
    assert.match(
      reason ?? '',
      /^the update was rolled back: 100 % of the \d+ requests of digits\/3 were rejected as invalid .* digits\/1: 0 %$/,
    );
    assert.equal(variants[0]?.model, 'digits/1');
  });

  test('to another signature is rejected unless allowed, and an update in progress can be rolled back by hand', async () => {
    const refused = await server.call('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/3' }] });
    assert.equal(refused.status, 409);
    const steps = [{ percent: 100, watch_s: 600 }];
    await server.callWell('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/2', instance_count: 3 }], rollout: { steps } });
    const { rollout, variants } = await server.callWell<EndpointBody>('POST', '/endpoints/digits/rollback');
    assert.deepEqual([rollout?.state, rollout?.reason, variants[0]?.model], ['rolled-back', 'requested manually', 'digits/1']);
    await server.inService('digits');
    const again = await server.call('POST', '/endpoints/digits/rollback');
    assert.equal(again.status, 409, 'the previous version was rolled back');
    await update({ variants: [{ model: 'digits/1', instance_count: 3 }] });
  });

  test('ends the workers of the old version', async () => {
    await until('only workers of the new version and warm workers run', async () => {
      const { executors } = await server.callWell<{ executors: { ready: number } }>('GET', '/status');
      return executors.ready === 3 && server.workers().length <= 4;
    });
  });

  test('to an unapproved version leaves the old one serving', async () => {
    await server.register('digits', 'digits_rf');
    await underLoad(async () => {
      const refused = await server.call('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/4' }] });
      assert.equal(refused.status, 409);
    });
    assert.deepEqual(answered, ['1']);
  });

  test('in quick succession end with the last one, and fail no requests', async () => {
    await underLoad(async () => {
      for (const version of [2, 1, 2, 1, 2])
        await server.callWell('PATCH', '/endpoints/digits', { variants: [{ model: `digits/${version}` }] });
      await server.inService('digits');
    });
    assert.equal(answered.at(-1), '2');
  });
});

test('an endpoint deleted under load answers accepted requests, then returns 503, then 404', async () => {
  const server = await Server.start();
  try {
    await server.deploy('digits', 'digits_mlp');
    const statuses = new Set<number>();
    const load = Load.start(6, async () => {
      const { status, error } = await infer(server.url, 'digits', inputs);
      statuses.add(status);
      if (status === 503) assert.match(error?.error ?? '', /digits/);
      assert.notEqual(status, 404, 'not found');
    });
    await load.more(50);
    await server.callWell('DELETE', '/endpoints/digits');
    await until('all clients get 404', () => load.failures.length === 6);
    await load.stop();
    for (const failure of load.failures) assert.match(failure, /not found/);
    for (const status of statuses) assert([200, 503, 404].includes(status), `${status}`);
  } finally {
    await server.end();
  }
});
