import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { runAgainst } from '../../test/cli-house.ts';
import type { StatisticsBody, VariantBody } from '../api/index.ts';
import { countedText, variantsText } from './verbs/describe.ts';

const variant = (name: string, since: string | null) => ({ name, statistics: since === null ? null : ({ since } as StatisticsBody) });
const [early, late] = ['2026-11-24T12:00:00.000Z', '2026-11-24T13:30:00.000Z'];

test('requests are counted since a moment that is told, for each variant where they differ', () => {
  assert.equal(
    countedText([variant('AllTraffic', early)]),
    'Requests, failed ones and times: of this version, since 2026-11-24 12:00:00 UTC\n',
  );
  assert.match(countedText([variant('a', early), variant('b', early)]), /, since 2026-11-24 12:00:00 UTC\n$/);
  assert.match(
    countedText([variant('a', early), variant('b', late), variant('c', null)]),
    /, since 2026-11-24 12:00:00 UTC \(a\), 2026-11-24 13:30:00 UTC \(b\)\n$/,
  );
  assert.equal(countedText([variant('AllTraffic', null)]), '');
});

test('who was refused, for want of room too, is told apart from who failed', () => {
  const statistics = { requests: 100, failures: 7, refused: 5, executions: 0 } as StatisticsBody;
  const served = {
    name: 'AllTraffic',
    model: 'digits/1',
    weight: 1,
    batch_size: 8,
    instance_type: 'local.1',
    workers: [],
    functions: null,
    statistics,
  };
  const [head = '', row = ''] = variantsText([served as unknown as VariantBody]).split('\n');
  const cellOf = (title: string) =>
    row
      .slice(0, head.indexOf(title) + title.length)
      .split(/ +/)
      .at(-1);
  assert.deepEqual(['REQUESTS', 'FAILED', 'REFUSED'].map(cellOf), ['100', '2', '5']);
});

test('a version is told with what was measured of it, and that the machine was busy', async () => {
  const version = { name: 'digits/1', runtime: { kind: 'onnx' }, approval: 'Approved', approval_changed_by: null, approval_note: null };
  const rest = { signature: { inputs: [], outputs: [] }, batchable: true, batchable_reason: 'probed', metrics: {}, metadata: {}, tags: {} };
  const file = { notes: [], artifact: { bytes: 1, sha256: 'a' }, opsets: {}, properties: {}, created_at: early, created_by: 'me' };
  const busy = 'measured on a busy machine: its runs took 3.0 times as long';
  const measured = { executor: 'instance:local.1', service: [{ b: 1, p50_ms: 4 }], batch_max: 32, notes: [busy] };
  const answer: RequestListener = ({ url = '' }, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(url.endsWith('/profile') ? { items: [measured] } : { ...version, ...rest, ...file }));
  };
  const { stdout } = await runAgainst(answer, ['describe', 'digits/1']);
  assert.match(stdout, new RegExp(`^measured +instance:local\\.1: 4 ms for a row, up to 32 at once; ${busy}$`, 'm'));
});

const group = { name: 'digits', description: '', versions: 2, latest_version: 2, latest_approved: 1, tags: {}, created_at: early };
const serve: RequestListener = ({ url = '' }, response) => {
  const isGroup = url === '/api/v1/groups/digits';
  response.writeHead(isGroup ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(isGroup ? group : { error: `there is nothing at ${url}`, code: 'not_found' }));
};

test('a group is told of by itself, whatever endpoint has its name', async () => {
  const asked: string[] = [];
  const answer: RequestListener = (request, response) => {
    asked.push(request.url ?? '');
    serve(request, response);
  };
  for (const argv of [
    ['--group', 'digits'],
    ['digits', '--group'],
  ]) {
    const { code, stdout } = await runAgainst(answer, ['describe', ...argv]);
    assert.deepEqual([code, stdout.split('\n')[0]], [0, 'group     digits']);
  }
  assert.deepEqual([...new Set(asked)], ['/api/v1/groups/digits']);
  const { code, stderr } = await runAgainst(serve, ['describe', '--group', 'digits/1']);
  assert.deepEqual([code, stderr], [1, "penstock: there is no model group 'digits/1': see `penstock groups`\n"]);
});
