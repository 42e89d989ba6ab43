/** `penstock events`, against a server with scripted responses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAgainst } from '../../../../test/cli-fixture.ts';
import type { EventBody } from '../../../api/index.ts';
import { eventText } from '../../output/event-text.ts';

const event = (seq: number, kind: string, subject: string, detail: unknown = {}): EventBody => {
  return { seq, id: `e${seq}`, at: '2026-11-27T05:00:00.123Z', kind, subject, detail };
};
const created = event(1, 'endpoint.created', 'digits', { generation: 1, config: { name: 'digits' } });
const rings = event(2, 'alarm.state-changed', 'penstock/digits/a-name-of-its-own', { oldState: 'OK', newState: 'ALARM', reason: 'late' });

async function run(argv: readonly string[], items: readonly EventBody[] = [rings, created]) {
  const requested: string[] = [];
  const ran = await runAgainst(
    ({ url = '' }, response) => {
      requested.push(decodeURIComponent(url.replace('/api/v1/events', '')));
      if (url.includes('/recent')) response.end(JSON.stringify({ items, next: null }));
      else
        response.end(
          items
            .toReversed()
            .map((each) => `id: ${each.seq}\nevent: ${each.kind}\ndata: ${JSON.stringify(each)}\n\n`)
            .join(''),
        );
    },
    ['events', ...argv],
  );
  return { ...ran, requested };
}

test('shows events as a table, the latest last', async () => {
  const { code, stdout, requested } = await run(['digits', '--kind', 'endpoint, alarm', '-n', '20']);
  assert.deepEqual([code, requested], [0, ['/recent?kind=endpoint,alarm&endpoint=digits&limit=20']]);
  assert.equal(
    stdout,
    'AT (UTC)             EVENT                SUBJECT                            DETAIL\n' +
      '2026-11-27 05:00:00  endpoint.created     digits                             generation 1\n' +
      '2026-11-27 05:00:00  alarm.state-changed  penstock/digits/a-name-of-its-own  OK -> ALARM: late\n',
  );
});

test('follows events in columns that are wide enough from the start', async () => {
  const { stdout, requested } = await run(['digits/3', '-f']);
  assert.deepEqual(requested, ['/recent?subject=digits/3&limit=1', '?subject=digits/3&recent=50']);
  assert.equal(
    stdout,
    'AT (UTC)             EVENT                     SUBJECT                     DETAIL\n' +
      '2026-11-27 05:00:00  endpoint.created          digits                      generation 1\n' +
      '2026-11-27 05:00:00  alarm.state-changed       penstock/digits/a-name-of-its-own  OK -> ALARM: late\n',
  );
});

for (const argv of [[], ['--follow']]) {
  test(`prints a line of JSON for each event, the latest last${argv.length === 0 ? '' : ', also with --follow'}`, async () => {
    const { stdout } = await run([...argv, '--output', 'json']);
    assert.deepEqual(
      stdout.split('\n').map((line) => (line === '' ? null : (JSON.parse(line) as unknown))),
      [created, rings, null],
    );
  });
}

test('says that a name has no events, also with --follow', async () => {
  assert.match((await run(['missing'], [])).stderr, /^no events for missing: expected the name of an endpoint, group, version/);
  assert.match((await run(['missing', '-f'], [])).stderr, /; waiting for events\n$/);
  assert.equal((await run(['--kind', 'alarm'], [])).stderr, 'no events of kind alarm\n');
  assert.deepEqual([(await run([], [])).stdout, (await run(['--output', 'json'], [])).stderr], ['', '']);
});

for (const { detail, text } of [
  { detail: null, text: '' },
  {
    detail: { generation: 3, from: ['digits/1'], to: ['digits/2', 'digits/3'], who: 'ops' },
    text: 'digits/1 -> digits/2 and digits/3 by ops',
  },
  { detail: { from: [], to: ['digits/1'], reason: null }, text: 'digits/1' },
  {
    detail: { executor: 'instance:local.1', batchMax: 32, isWarm: false, config: { a: 1 }, versions: ['x'.repeat(80)] },
    text: 'executor instance:local.1, batch max 32, not warm',
  },
  { detail: { reason: 'r'.repeat(300), id: 7 }, text: `${'r'.repeat(199)}…` },
  {
    detail: {
      from: ['digits/1'],
      to: ['digits/1'],
      who: 'ops',
      settings: [{ setting: 'late', from: 'serve', to: 'shed' }],
      moreSettings: 2,
    },
    text: 'digits/1 -> digits/1 by ops: late from serve to shed and 2 more',
  },
  { detail: { settings: 'dark', moreSettings: [] }, text: 'settings dark' },
  { detail: { from: ['m/1'], to: ['m/2'], share: 0.2, bakeMs: 20_000 }, text: 'm/1 -> m/2: share 20 %, bake 20 s' },
  { detail: { sawRequests: true }, text: 'saw requests' },
  { detail: { lastSignMs: 1_795_769_397_738, withMachine: false }, text: 'last sign 2026-11-27 08:49:57 UTC, its machine kept running' },
  {
    detail: { memoryMiB: 256, spentUsd: 0.25, timeoutMs: 1_800_000, p50Ms: 0.1168 },
    text: 'memory 256 MiB, spent $0.25, timeout 30 min, p50 0.12 ms',
  },
  { detail: { generation: 4, config: {} }, text: 'generation 4' },
  { detail: { lastSignMs: 1e300 }, text: 'last sign ms 1e+300' },
  { detail: 'word', text: '"word"' },
]) {
  test(`formats ${JSON.stringify(detail).slice(0, 60)} as '${text.slice(0, 40)}'`, () => assert.equal(eventText({ detail }), text));
}
