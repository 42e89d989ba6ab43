import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { runAgainst } from '../../../../test/cli-fixture.ts';

const version = (number: number) => ({
  name: `digits/${number}`,
  approval: 'Approved',
  approval_changed_by: 'me',
  artifact: { bytes: 2048 },
  batchable: true,
  metrics: {},
  created_at: '2026-11-27T05:00:00.000Z',
  source_name: 'm.onnx',
});
const [at, reason] = ['2026-11-27T05:05:05.000Z', 'requested manually'];
const endpoints = [
  { name: 'prod', rolled_back: [{ model: 'digits/2', reason, at }] },
  {
    name: 'twin',
    rolled_back: [
      { model: 'Digits/2', reason, at },
      { model: 'other/1', reason, at },
    ],
  },
  { name: 'idle', rolled_back: [] },
];

const answer: RequestListener = ({ url = '' }, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const items = url.startsWith('/api/v1/endpoints') ? endpoints : [version(2), version(1)];
  response.end(JSON.stringify({ items, next: null }));
};

test('shows which endpoints rolled back a version', async () => {
  const { code, stdout } = await runAgainst(answer, ['versions', 'digits']);
  const [head, second, first] = stdout.split('\n');
  assert.equal(code, 0);
  assert.match(head ?? '', / {2}NOTE$/);
  assert.match(second ?? '', /^digits\/2 .* {2}rolled back by prod and twin$/);
  assert.match(first ?? '', /^digits\/1 .* m\.onnx$/);
});

test('includes times and reasons with --output json', async () => {
  const { stdout } = await runAgainst(answer, ['versions', 'digits', '--output', 'json']);
  const versions = JSON.parse(stdout) as { name: string; rolled_back: unknown }[];
  assert.deepEqual(
    versions.map(({ name, rolled_back: back }) => [name, back]),
    [
      [
        'digits/2',
        [
          { endpoint: 'prod', reason, at },
          { endpoint: 'twin', reason, at },
        ],
      ],
      ['digits/1', []],
    ],
  );
});
