/** The APIs behind the console's pages: the overview of all endpoints, the history of one, and live updates of both. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { EndpointBody, EventBody, HistoryBody, LiveBody, OverviewBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { Server } from './server.ts';

let server: Server;
const requests = 200;

before(async () => {
  server = await Server.start();
  await server.callWell('POST', '/catalogue/digits-mlp/register', { group: 'digits' });
  await server.callWell('POST', '/groups/digits/versions/1/approval', { approval: 'Approved' });
  const variants = [{ model: 'digits/1' }];
  await server.callWell('POST', '/endpoints', { name: 'digits', objective: 'p95<=1s', variants });
  await until(
    'the endpoint serves',
    async () => (await server.callWell<{ status: string }>('GET', '/endpoints/digits')).status === 'InService',
  );
  const body = { inputs: [{ name: 'pixels', shape: [1, 64], datatype: 'FP32', data: Array(64).fill(8) }] };
  for (let i = 0; i < requests; i += 20) {
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const response = await fetch(`${server.url}/v2/models/digits/infer`, { method: 'POST', body: JSON.stringify(body) });
        assert.equal(response.status, 200);
        await response.text();
      }),
    );
  }
});
after(() => server.end());

test('the overview has a row for each endpoint with its requests, attainment and cost', async () => {
  const overview = await until(
    'all requests are counted',
    async () => {
      const read = await server.callWell<OverviewBody>('GET', '/overview?span_s=3600');
      return read.totals.requests === requests && read.totals.spent_usd > 0 ? read : undefined;
    },
    30_000,
  );
  const [row] = overview.endpoints;
  assert.equal(overview.endpoints.length, 1);
  assert.deepEqual(
    [row?.name, row?.status, row?.objective, row?.models, row?.requests, row?.instances_desired, row?.instance_type, row?.has_functions],
    ['digits', 'InService', 'p95<=1s', ['digits/1'], requests, 1, 'local.1', false],
  );
  assert.equal(row?.in_time, 1);
  // The list, the endpoint and the overview report the same share.
  const { items } = await server.callWell<{ items: EndpointBody[] }>('GET', '/endpoints');
  const own = await server.callWell<EndpointBody>('GET', '/endpoints/digits');
  assert.deepEqual([items[0]?.in_time, own.in_time], [1, 1]);
  assert.equal(row?.overflow_share, 0);
  assert.equal(row?.spark.length, 40);
  const latencies = row?.spark.filter((ms) => ms !== null) ?? [];
  assert(latencies.length >= 1 && latencies.length <= 2 && latencies.every((ms) => ms > 0 && ms < 1000), latencies.join());
  const { instances } = await server.callWell<{ instances: Record<string, { usdPerHour: number }> }>('GET', '/prices');
  assert.equal(row?.usd_per_hour, instances['local.1']?.usdPerHour);
  assert.deepEqual([overview.totals.promised_requests, overview.totals.in_time_requests], [requests, requests]);
  assert.equal(overview.money.at.length, overview.money.instance_usd_per_hour.length);
  assert(overview.money.instance_usd_per_hour.some((usd) => usd !== null && usd > 0));
  for (const span of ['0', '1e9', 'x']) assert.equal((await server.call('GET', `/overview?span_s=${span}`)).status, 400);
});

test('the history of an endpoint has every period of the span, with null for periods without data', async () => {
  const history = await until(
    'its instances were sampled, which happens every ten seconds',
    async () => {
      const read = await server.callWell<HistoryBody>('GET', '/endpoints/digits/history?period_s=10');
      return read.columns.instances.includes(1) ? read : undefined;
    },
    60_000,
  );
  const { at, columns } = history;
  assert(at.length === 360 || at.length === 361);
  assert(at.every((second, i) => i === 0 || second === (at[i - 1] ?? 0) + 10));
  for (const [name, column] of Object.entries(columns)) assert.equal(column.length, at.length, name);
  assert.equal(columns.rate[0], null);
  const rates = columns.rate.flatMap((rate) => rate ?? []);
  assert(rates.length > 0);
  const quiet = columns.rate.findIndex((rate) => rate !== null);
  for (const name of ['p50_ms', 'p95_ms', 'p99_ms', 'promised_ms', 'mean_batch'] as const) assert((columns[name][quiet] ?? 0) > 0, name);
  assert.equal(columns.in_time[quiet], 1);
  assert.equal(columns.function_rate[quiet], 0);
  assert.equal(columns.instance_rate[quiet], columns.rate[quiet]);
  assert.equal(history.forecast, null);
  const counted = history.batches?.sizes.flatMap(({ reasons }) => Object.values(reasons)) ?? [];
  assert.equal(
    counted.reduce((sum, count) => sum + count, 0),
    history.batches?.dispatched,
  );
  const rows = (history.batches?.mean_rows ?? 0) * (history.batches?.dispatched ?? 0);
  assert.equal(Math.round(rows), requests);
  for (const query of ['period_s=0', 'from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'period_s=1&from=2026-01-01T00:00:00Z']) {
    assert.equal((await server.call('GET', `/endpoints/digits/history?${query}`)).status, 400, query);
  }
  assert.equal((await server.call('GET', '/endpoints/none/history')).status, 404);
});

interface Message {
  readonly event: string;
  readonly data: unknown;
}

/** The first messages of a stream, until `areEnough`. */
async function messages(path: string, areEnough: (found: readonly Message[]) => boolean): Promise<Message[]> {
  const ended = new AbortController();
  const response = await fetch(`${server.url}/api/v1${path}`, { signal: ended.signal });
  assert.equal(response.status, 200);
  const found: Message[] = [];
  let text = '';
  for await (const chunk of (response.body ?? new ReadableStream<Uint8Array>()).pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const event = /^event: (.*)$/m.exec(part)?.[1];
      const data = /^data: (.*)$/m.exec(part)?.[1];
      if (event !== undefined && data !== undefined) found.push({ event, data: JSON.parse(data) });
    }
    if (areEnough(found)) break;
  }
  ended.abort();
  return found;
}

test('the live stream sends current numbers, then changes, and missed events', async () => {
  const numbersOf = (found: readonly Message[]) => found.filter(({ event }) => event === 'numbers').map(({ data }) => data as LiveBody);
  const [first, second] = numbersOf(await messages('/live?endpoint=digits&period_s=2', (found) => numbersOf(found).length >= 2));
  assert.equal(first?.endpoint?.name, 'digits');
  assert((first?.history?.at.length ?? 0) > (second?.history?.at.length ?? 0));
  assert(
    (first?.history?.at.at(-1) ?? 0) >= (second?.history?.at[0] ?? Number.POSITIVE_INFINITY),
    'no period is missing between the messages',
  );
  const isGroup = ({ event, data }: Message) => event === 'event' && (data as EventBody).kind === 'group.created';
  const all = await messages('/live?since=0', (found) => numbersOf(found).length > 0 && found.some(isGroup));
  assert.deepEqual(
    numbersOf(all)[0]?.overview?.endpoints.map(({ name }) => name),
    ['digits'],
  );
  assert.equal((await server.call('GET', '/live?endpoint=none')).status, 404);
});

test('lists recent events and changes, and reports a missing decision as not found', async () => {
  const recent = await server.callWell<{ items: EventBody[]; next: string | null }>('GET', '/events/recent?limit=2&subject=digits');
  const [last = Number.NaN, before = Number.NaN] = recent.items.map(({ seq }) => seq);
  assert(recent.items.length === 2 && last > before);
  const rest = await server.callWell<{ items: EventBody[] }>('GET', `/events/recent?subject=digits&before=${recent.next}`);
  assert(rest.items.every(({ seq, subject }) => seq < before && subject === 'digits'));
  const changes = await server.callWell<{ items: { action: string }[] }>('GET', '/endpoints/digits/changes');
  assert.deepEqual(
    changes.items.map(({ action }) => action),
    ['CreateEndpoint'],
  );
  const decisions = await server.callWell<{ total: number }>('GET', '/endpoints/digits/decisions?changes=true');
  assert.equal(decisions.total, 0);
  assert.equal((await server.call('GET', '/endpoints/digits/decisions/none')).status, 404);
});
