/** The KServe v1 protocol: lists, readiness and predictions. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from './server.ts';

let server: Server;
before(async () => {
  server = await Server.start();
  await server.deploy('spam', 'spam_text');
});
after(() => server?.end());

async function call(path: string, body?: unknown): Promise<{ status: number; json: Record<string, unknown> }> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const response = await fetch(`${server.url}/v1/models${path}`, init);
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

test('lists models and reports their readiness', async () => {
  assert.deepEqual(await call(''), { status: 200, json: { models: ['spam'] } });
  assert.deepEqual(await call('/spam'), { status: 200, json: { name: 'spam', ready: true } });
  assert.equal((await call('/none')).status, 404);
});

test('answers instances with the predictions of the native API, also for more than one batch', async () => {
  const instances = Array.from({ length: 70 }, (_, row) => (row % 2 === 0 ? 'You won a free prize, call now' : `See you at ${row}`));
  const { status, json } = await call('/spam:predict', { instances });
  const native = await server.callWell<{ predictions: unknown[] }>('POST', '/endpoints/spam/invoke', { instances });
  assert.equal(status, 200);
  assert.deepEqual(json, { predictions: native.predictions });
  assert.equal(native.predictions.length, 70);
});

test('rejects invalid requests', async () => {
  for (const [path, body, status, text] of [
    ['/spam:predict', { instances: [] }, 400, /'instances' is empty/],
    ['/spam:predict', 'x', 400, /./],
    ['/none:predict', { instances: ['a'] }, 404, /model 'none' does not exist/],
    ['/spam:explain', { instances: ['a'] }, 501, /not supported/],
    ['/spam', { instances: ['a'] }, 405, /Method Not Allowed/],
  ] as const) {
    const refused = await call(path, body);
    assert.equal(refused.status, status, `${path} ${JSON.stringify(refused.json)}`);
    assert.match(String(refused.json['error']), text);
  }
});
