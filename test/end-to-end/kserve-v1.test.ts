/** KServe's first protocol, as its clients speak it: lists, readiness, rows in, predictions out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from './server.ts';

let server: Server;
before(async () => {
  server = await Server.start();
  await server.deploy('spam', 'spam_text');
});
after(() => server?.end());

async function ask(path: string, body?: unknown): Promise<{ status: number; json: Record<string, unknown> }> {
  const order = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const response = await fetch(`${server.url}/v1/models${path}`, order);
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

test('models are listed, and tell whether they are ready', async () => {
  assert.deepEqual(await ask(''), { status: 200, json: { models: ['spam'] } });
  assert.deepEqual(await ask('/spam'), { status: 200, json: { name: 'spam', ready: true } });
  assert.equal((await ask('/none')).status, 404);
});

test('instances are answered with predictions, as many as the native API gives, and more than a batch holds', async () => {
  const instances = Array.from({ length: 70 }, (_, row) => (row % 2 === 0 ? 'You won a free prize, call now' : `See you at ${row}`));
  const { status, json } = await ask('/spam:predict', { instances });
  const native = await server.callWell<{ predictions: unknown[] }>('POST', '/endpoints/spam/invoke', { instances });
  assert.equal(status, 200);
  assert.deepEqual(json, { predictions: native.predictions });
  assert.equal(native.predictions.length, 70);
});

test('what is wrong is refused, and counts as a request that failed', async () => {
  for (const [path, body, status, text] of [
    ['/spam:predict', { instances: [] }, 400, /'instances' is empty/],
    ['/spam:predict', 'x', 400, /./],
    ['/none:predict', { instances: ['a'] }, 404, /model 'none' is not known/],
    ['/spam:explain', { instances: ['a'] }, 501, /not supported/],
    ['/spam', { instances: ['a'] }, 405, /Method Not Allowed/],
  ] as const) {
    const refused = await ask(path, body);
    assert.equal(refused.status, status, `${path} ${JSON.stringify(refused.json)}`);
    assert.match(String(refused.json['error']), text);
  }
});
