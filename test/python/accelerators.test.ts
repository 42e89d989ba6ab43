/**
 * Instance types with devices, on a machine that needs to have none: which device a worker uses, how many workers a device has,
 * and what an endpoint says that gets none.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { python } from '../interpreter.ts';
import { TestServer } from '../processes/server.ts';

const source = `
import os

def predict(items: list[dict]):
    return [os.environ["CUDA_VISIBLE_DEVICES"] for _ in items]
`;

describe('an accelerator of config.json', { skip: python === null && 'no Python 3.9 or later' }, () => {
  const server = new TestServer([], {
    environments: { default: { python: python?.executable ?? '' } },
    accelerators: { 'local.gpu': { devices: [3, 5], memoryMiB: 1024, usdPerHour: 2.5 } },
  });
  const json = { 'content-type': 'application/json' };

  before(async () => {
    await server.start();
    await server.call('POST', '/groups/device/versions?name=model.py', source);
    await server.call('POST', '/groups/device/versions/1/approval', { approval: 'Approved' });
    await until('the model is opened', async () => (await server.call('GET', '/groups/device/versions/1')).at('approval') === 'Approved');
  });
  after(() => server.close());

  async function deployed(name: string, variant: object): Promise<void> {
    const created = await server.call('POST', '/endpoints', { name, variants: [{ model: 'device/1', ...variant }] });
    assert.equal(created.status, 202, created.text);
    await server.until(name, 'InService', 60);
  }

  const deviceOf = async (name: string): Promise<string> => (await server.invoke(name, '{}', json)).text;

  test('gives each worker of its instance type a device of its own, and no other worker sees one', async () => {
    await deployed('first', { instance_type: 'local.gpu' });
    await deployed('second', { instance_type: 'local.gpu' });
    await deployed('plain', {});
    assert.deepEqual([await deviceOf('first'), await deviceOf('second'), await deviceOf('plain')], ['"3"', '"5"', '""']);
  });

  test('that has no share left fails the next endpoint with what to do, until a share is free', async () => {
    const created = await server.call('POST', '/endpoints', {
      name: 'third',
      variants: [{ model: 'device/1', instance_type: 'local.gpu' }],
    });
    assert.equal(created.status, 202, created.text);
    await until('the endpoint says so', async () =>
      /no device is free for local\.gpu: devices 3, 5 of this machine may have 1 worker each/.test(
        (await server.call('GET', '/endpoints/third')).text,
      ),
    );
    await server.call('DELETE', '/endpoints/first');
    await server.until('third', 'InService', 90);
    assert.equal(await deviceOf('third'), '"3"');
  });
});
