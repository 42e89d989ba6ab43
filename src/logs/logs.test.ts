import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { openLogs } from './logs.ts';
import { formatRequestLine, type RequestLine } from './request-log/request-line.ts';

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-logs-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

const line: RequestLine = {
  atMs: 1_700_000_000_000,
  requestId: 'r-1',
  endpoint: 'digits',
  variant: 'AllTraffic',
  version: '3',
  status: 'ok',
  rows: 1,
  batchRows: 8,
  closeReason: 'idle',
  queueMs: 0.12345,
  computeMs: 1.5,
  encodeMs: 0.01,
  totalMs: 1.7,
  costUsd: 1.2e-8,
};

test('writes the platform log as JSON to the file and as plain lines from the level on', async () => {
  const shown: string[] = [];
  const logs = openLogs(join(directory, 'platform'), 'warn', { show: (text) => shown.push(text) });
  logs.platform.debug({}, 'not even stored');
  logs.platform.info({ endpoint: 'digits' }, 'kept, not shown');
  logs.platform.child({ worker: 'w1' }).warn({ reason: 'two\nlines' }, 'shown\nin one line');
  await logs.close();
  const retained = (await readFile(join(directory, 'platform', 'platform.log'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text) as Record<string, unknown>);
  assert.deepEqual(
    retained.map(({ message, endpoint, worker }) => ({ message, endpoint, worker })),
    [
      { message: 'kept, not shown', endpoint: 'digits', worker: undefined },
      { message: 'shown\nin one line', endpoint: undefined, worker: 'w1' },
    ],
  );
  assert.deepEqual(shown, ['warn  shown | in one line worker=w1 reason="two\\nlines"\n']);
});

test('stores nothing and does not fail without a directory', async () => {
  const shown: string[] = [];
  const logs = openLogs(null, 'silent', { show: (text) => shown.push(text) });
  logs.platform.error({}, 'unheard');
  logs.requests.add(line, 1);
  await logs.flush();
  await logs.close();
  assert.deepEqual(shown, []);
});

test('an error among the fields retains its message and stack', async () => {
  const logs = openLogs(join(directory, 'errors'), 'silent');
  logs.platform.error({ err: new Error('the cause') }, 'it failed');
  await logs.close();
  const retained = JSON.parse(await readFile(join(directory, 'errors', 'platform.log'), 'utf8'));
  assert.equal(retained.err.message, 'the cause');
  assert.match(retained.err.stack, /logs\.test\.ts/);
});

test('writes one JSON line per request, with times in microsecond resolution', async () => {
  const logs = openLogs(join(directory, 'requests'), 'silent');
  logs.requests.add(line, 1);
  logs.requests.add({ ...line, status: 'model_failed', error: 'it said "no"\n' }, 1);
  await logs.close();
  const retained = (await readFile(join(directory, 'requests', 'requests.log'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text) as Record<string, unknown>);
  const { atMs, requestId, ...rest } = line;
  assert.deepEqual(retained, [
    { at: atMs, request: requestId, ...rest, queueMs: 0.123 },
    { at: atMs, request: requestId, ...rest, queueMs: 0.123, status: 'model_failed', error: 'it said "no"\n' },
  ]);
});

test('writes the cost with four significant digits, however small', () => {
  for (const [costUsd, written] of [
    [0.0000035666734, '0.000003567'],
    [4.72190123e-10, '4.722e-10'],
    [0, '0'],
    [Number.NaN, 'null'],
  ] as const) {
    assert.equal(/"costUsd":([^,}]+)/.exec(formatRequestLine({ ...line, costUsd }))?.[1], written);
  }
});

test('keeps a request on one parseable line, whatever the client sends', () => {
  const word = fc.string({ unit: 'binary' });
  const record = fc.record({ requestId: word, endpoint: word, error: word, totalMs: fc.double(), costUsd: fc.double() });
  fc.assert(
    fc.property(record, (changes) => {
      const text = formatRequestLine({ ...line, ...changes });
      assert.equal(text.indexOf('\n'), text.length - 1);
      const parsed = JSON.parse(text);
      assert.equal(parsed.request, changes.requestId);
      assert.equal(parsed.error, changes.error);
    }),
  );
});
