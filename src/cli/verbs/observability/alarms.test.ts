/** `penstock alarms`, against a server with scripted responses. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { runAgainst } from '../../../../test/cli-fixture.ts';

const at = '2026-01-01T00:00:00.000Z';
const called = { alarm: [], ok: [], insufficient_data: [] };
const alarm = {
  name: 'slow',
  state: 'ALARM',
  since: at,
  rule: 'p99 of Latency > 50 in 3 of 3 x 60 s',
  reason: 'too late',
  actions: { ...called, alarm: ['https://a.example/x'] },
};
const own = { ...alarm, name: 'penstock/digits/errors', state: 'OK', rule: null, reason: 'of 5 min 0 of 0', actions: called };

async function listed(argv: readonly string[], items: readonly object[] = [alarm, own], verb: readonly string[] = ['alarms', 'list']) {
  const requested: string[] = [];
  const answer: RequestListener = ({ url = '' }, response) => {
    requested.push(url.replace('/api/v1', ''));
    response.end(JSON.stringify({ items, next: null }));
  };
  return { ...(await runAgainst(answer, [...verb, ...argv])), requested };
}

test('lists alarms with their conditions, of all endpoints or of one', async () => {
  const { code, stdout, requested } = await listed([]);
  assert.deepEqual([code, requested], [0, ['/alarms']]);
  assert.equal(
    stdout,
    'ALARM                   STATE  SINCE (UTC)          CONDITION                             CALLS                REASON\n' +
      'slow                    ALARM  2026-01-01 00:00:00  p99 of Latency > 50 in 3 of 3 x 60 s  https://a.example/x  too late\n' +
      'penstock/digits/errors  OK     2026-01-01 00:00:00                                                             of 5 min 0 of 0\n',
  );
  assert.deepEqual((await listed(['digits', '--firing'])).requested, ['/alarms?endpoint=digits&state=ALARM']);
});

test('lists without a subverb, too', async () => {
  const { stdout } = await listed([]);
  assert.equal((await listed([], undefined, ['alarms'])).stdout, stdout);
  assert.deepEqual((await listed(['--firing'], undefined, ['alarms'])).requested, ['/alarms?state=ALARM']);
});

test('says that an endpoint has no alarms', async () => {
  assert.equal((await listed(['digits', '--firing'], [])).stdout, 'no alarms of digits are in ALARM\n');
  assert.equal((await listed(['digits'], [])).stdout, 'there are no alarms of digits yet: every endpoint gets default alarms\n');
});

/** Runs against a server whose endpoint `digits` measures latency by variant and a backlog as a whole. */
async function changed(...argv: string[]) {
  const sent: { method: string; path: string; body: unknown }[] = [];
  const metric = (name: string, dimensions: object) => ({ namespace: 'Penstock', name, unit: 'Count', dimensions });
  const answers: Readonly<Record<string, unknown>> = {
    '/endpoints/digits': { name: 'digits', variants: [{ name: 'blue' }] },
    '/metrics': {
      items: [metric('Latency', { EndpointName: 'digits', VariantName: 'blue' }), metric('Backlog', { EndpointName: 'digits' })],
      next: null,
    },
  };
  const answer: RequestListener = (request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      const path = new URL(request.url ?? '', 'http://localhost').pathname.replace('/api/v1', '');
      if (request.method !== 'GET') sent.push({ method: request.method ?? '', path, body: body === '' ? null : JSON.parse(body) });
      response.writeHead(request.method === 'DELETE' ? 204 : 200);
      response.end(request.method === 'DELETE' ? '' : JSON.stringify(answers[path] ?? alarm));
    });
  };
  return { ...(await runAgainst(answer, ['alarms', ...argv])), sent };
}

test('sets an alarm on a metric of the variant, or of the whole endpoint', async () => {
  const rule = 'p99 of Latency > 50 in 3 of 5 x 60s';
  const argv = ['set', 'too/slow', '--endpoint', 'digits', '--when', rule, '--call', 'https://a.example/x', '--missing', 'ignore'];
  const { code, stdout, stderr, sent } = await changed(...argv);
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(stdout, 'slow: p99 of Latency > 50 in 3 of 3 x 60 s; calls https://a.example/x\n');
  const dimensions = { EndpointName: 'digits', VariantName: 'blue' };
  const body = { rule, dimensions, missing_data: 'ignore', actions: { alarm: ['https://a.example/x'] } };
  assert.deepEqual(sent, [{ method: 'PUT', path: '/alarms/too%2Fslow', body }]);
  const whole = await changed('set', 'full', '--endpoint', 'digits', '--when', 'Maximum of Backlog >= 10');
  assert.deepEqual(whole.sent[0]?.body, { rule: 'Maximum of Backlog >= 10', dimensions: { EndpointName: 'digits' } });
});

test('changes only what is given', async () => {
  assert.deepEqual((await changed('set', 'slow', '--call', 'none')).sent, [
    { method: 'PUT', path: '/alarms/slow', body: { actions: { alarm: [] } } },
  ]);
  assert.deepEqual((await changed('set', 'slow', '--when', 'p50 of Latency > 9')).sent[0]?.body, { rule: 'p50 of Latency > 9' });
});

test('rejects a metric that the endpoint does not have, and names those that it has', async () => {
  const { code, stderr, sent } = await changed('set', 'slow', '--endpoint', 'digits', '--when', 'p99 of Latncy > 50');
  assert.deepEqual([code, sent], [1, []]);
  assert.match(stderr, /has no metric 'Latncy' in Penstock: expected one of .*Latency/);
  assert.match((await changed('set', 'slow', '--variant', 'blue')).stderr, /--variant needs --endpoint/);
});

test('deletes an alarm by its name', async () => {
  const { stdout, sent } = await changed('delete', 'slow');
  assert.equal(stdout, 'slow was deleted\n');
  assert.deepEqual(sent, [{ method: 'DELETE', path: '/alarms/slow', body: null }]);
});
