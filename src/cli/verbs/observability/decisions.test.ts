/** `penstock decisions` and `penstock plan`, against a server with scripted responses. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Ran, runAgainst } from '../../../../test/cli-fixture.ts';
import type { AlternativeBody, DecisionBody, PlanBody } from '../../../api/index.ts';

interface RanAndSent extends Ran {
  /** Request bodies by path. */
  readonly sent: Readonly<Record<string, unknown>>;
}

async function run(argv: readonly string[], answers: Readonly<Record<string, unknown>> = {}): Promise<RanAndSent> {
  const sent: Record<string, unknown> = {};
  const answer: RequestListener = (request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      const { method = '', url = '' } = request;
      if (body !== '') sent[url] = JSON.parse(body);
      response.writeHead(200, { 'content-type': 'application/json' });
      const nothing = url.includes('/updates?') ? { items: [], next: null } : null;
      response.end(JSON.stringify(answers[`${method} ${url}`] ?? nothing));
    });
  };
  const ran = await runAgainst(answer, argv);
  return { ...ran, sent };
}

const predicted = { p50_ms: 60, p95_ms: 96.2, p99_ms: 99, within_slo: 0.97, mean_batch: 3.26, cost_usd_per_million: 0.2161 };
const chosen: AlternativeBody = {
  label: 'chosen',
  policy: 'slack',
  memory_mib: 1536,
  batch_size_max: 8,
  wait_ms_max: null,
  predicted,
  feasible: true,
  rejected_because: null,
};
const alternatives: AlternativeBody[] = [
  chosen,
  {
    ...chosen,
    label: 'no-batching',
    batch_size_max: 1,
    wait_ms_max: 0,
    predicted: { ...predicted, p95_ms: 14, mean_batch: 1, cost_usd_per_million: 1.4436 },
    rejected_because: 'costs 568 % more',
  },
];
const arrivals = {
  source: 'replay' as const,
  rate_per_second: 49.98,
  forecast_rate_per_second: null,
  scv: 1.03,
  correlation_decay: 0,
  index_of_dispersion: 1,
  sample_count: 1000,
  notes: [],
};
const decision: DecisionBody = {
  id: 'd1',
  kind: 'batching',
  endpoint: 'digits',
  variant: 'AllTraffic',
  at: '2026-11-24T10:00:00.000Z',
  trigger: 'period',
  changes: true,
  inputs: {
    model: 'digits/1',
    objective: 'p95<=100ms',
    margin_ms: 2,
    memory_mib: 'auto',
    policy: { kind: 'slack' },
    arrivals,
    profiles: [],
    prices: { usd_per_invocation: 2e-7, usd_per_gb_second: 1.66667e-5, billing_granularity_ms: 1 },
    cold_start: { probability: 0, ms: 150 },
    candidates: { considered: 300, evaluated: 40, feasible: 20 },
    compute_ms: 12,
    correction: null,
  },
  alternatives,
  chosen: { memory_mib: 1536, batch_size_max: 8, wait_ms_max: null },
  reason: 'the cheapest that keeps p95<=100ms',
  explanation: 'B = 8 keeps p95<=100ms.',
  effect: {
    ...predicted,
    p95_ms: 94.81,
    cost_usd_per_million: 0.2209,
    requests: 1500,
    mean_wait_ms: 40,
    cold_starts: 0,
    p95_error_percent: 1.5,
    cost_error_percent: -2.2,
  },
};

test('shows the cost after a scaling decision as a rate per hour', async () => {
  const scaling = {
    kind: 'scaling',
    at: '2026-11-24T10:00:00.000Z',
    trigger: 'period',
    before: 1,
    inputs: { last_count: 90 },
    chosen: { plan: { 'local.1': 2 } },
    explanation: 'grew to 2 × local.1',
    effect: { window_s: 40, attainment: 1, spent_usd: 0.001 },
    effect_unknown: null,
  };
  const lasting = { ...scaling, effect: { ...scaling.effect, window_s: 80, spent_usd: 0.002 } };
  const open = { ...scaling, effect: null };
  const byUser = { ...open, trigger: 'update', inputs: null, before: 2, chosen: { plan: { 'local.1': 3 } }, explanation: 'grew to 3' };
  const { stdout } = await run(['decisions', 'digits', '--tail', '4'], {
    'GET /api/v1/endpoints/digits/decisions?limit=4&folded=true': { items: [byUser, open, lasting, scaling], next: null },
  });
  const lines = stdout.trimEnd().split('\n');
  assert.match(lines[0] ?? '', /^WHEN \(UTC\) +TRIGGER +LAST SLOT +BEFORE +INSTANCES +IN TIME +SPENT\/H +WHY$/);
  for (const line of lines.slice(1, 3)) assert.match(line, /period +90 +1 +2 +100 % +\$0\.09 +grew to 2/);
  assert.match(lines[3] ?? '', /period +90 +1 +2 +grew to 2/);
  assert.match(lines[4] ?? '', /update +2 +3 +grew to 3/);
});

test('shows one decision per line, the latest last, with prediction and measurement', async () => {
  const later = { ...decision, at: '2026-11-24T10:00:30.000Z', trigger: 'change-point', effect: null };
  const { code, stdout } = await run(['decisions', 'digits', '--tail', '2'], {
    'GET /api/v1/endpoints/digits/decisions?limit=2&folded=true': { items: [later, decision], next: null },
  });
  assert.equal(code, 0);
  const lines = stdout.trimEnd().split('\n');
  assert.match(
    lines[0] ?? '',
    /^WHEN \(UTC\) +TRIGGER +ROWS\/S +MEMORY +B +WAIT +P95 +P95 MEASURED +COST\/M ROWS +COST\/M ROWS MEASURED +WHY$/,
  );
  assert.match(lines[1] ?? '', /10:00:00 +period +50 +1536 MiB +8 +slack +96 ms +95 ms +\$0\.216 +\$0\.221 +B = 8 keeps p95<=100ms\.$/);
  assert.match(lines[2] ?? '', /10:00:30 +change-point +50 +1536 MiB +8 +slack +96 ms +\$0\.216 +B = 8/);
});

test('names the endpoints of decisions and updates if all are shown', async () => {
  const other = { ...decision, at: '2026-11-24T10:00:30.000Z', endpoint: 'iris' };
  const update = { at: '2026-11-24T10:01:00.000Z', what: 'deployed', endpoint: 'wine', generation: 2, from: ['wine/1'], to: ['wine/2'] };
  const rest = { share_percent: null, reason: null, by: null, settings: [], more_settings: 0, staying: [], more_staying: 0, versions: [] };
  const { code, stdout } = await run(['decisions'], {
    'GET /api/v1/decisions?limit=10&folded=true': { items: [other, decision], next: null },
    'GET /api/v1/updates?limit=10': { items: [{ ...update, ...rest }], next: null },
  });
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^WHEN \(UTC\) +ENDPOINT +TRIGGER .*\n.* digits +period .*\n.* iris +period .*\n\nWHEN \(UTC\) +ENDPOINT +UPDATE .*\n.* wine +deployed /,
  );
  const { code: wrong, stderr } = await run(['decisions', '--now']);
  assert.deepEqual([wrong === 0, /--now needs an endpoint/.test(stderr)], [false, true]);
});

test('shows consecutive reviews without a change as one line with their number; --all shows each', async () => {
  const folded = { count: 360, since: '2026-11-24T09:00:00.000Z', complete: true };
  const answers = {
    'GET /api/v1/endpoints/digits/decisions?limit=10&folded=true': { items: [{ ...decision, changes: false, folded }], next: null },
    'GET /api/v1/endpoints/digits/decisions?limit=10': { items: [decision, decision], next: null },
  };
  const { stdout } = await run(['decisions', 'digits'], answers);
  assert.match(stdout, /^WHEN \(UTC\) +TRIGGER +REVIEWS .*\n2026-11-24 10:00:00 +period +360 since 2026-11-24 09:00:00 .*\n$/);
  const each = await run(['decisions', 'digits', '--all'], answers);
  assert.equal(each.stdout.trimEnd().split('\n').length, 3);
  assert.doesNotMatch(each.stdout, /REVIEWS/);
});

test('shows the percentile of the objective', async () => {
  const strict = { ...decision, inputs: { ...decision.inputs, objective: 'p99.9<=100ms' } };
  const { stdout } = await run(['decisions', 'digits'], {
    'GET /api/v1/endpoints/digits/decisions?limit=10&folded=true': { items: [strict], next: null },
  });
  assert.match(stdout, /WAIT +P99 +P99 MEASURED +COST\/M/);
  assert.doesNotMatch(stdout, /P95/);
});

test('--now explains why there is nothing to decide', async () => {
  const answers = { 'POST /api/v1/endpoints/digits/decisions': { asked: false } };
  const of = async (status: string) =>
    (await run(['decisions', 'digits', '--now'], { ...answers, 'GET /api/v1/endpoints/digits': { name: 'digits', status } })).stdout;
  assert.match(await of('Unloaded'), /^no decisions are made while digits is unloaded: `penstock load digits` serves it again$/m);
  assert.match(await of('InService'), /^nothing to decide for digits: decisions are made for serverless or scaled variants, /m);
});

test('explains why there are no decisions; --now requests one', async () => {
  const nothing = await run(['decisions', 'digits'], {
    'GET /api/v1/endpoints/digits/decisions?limit=10&folded=true': { items: [], next: null },
  });
  assert.match(nothing.stdout, /no decisions for digits yet: .*serverless/);
  const requested = await run(['decisions', 'digits', '--now'], { 'POST /api/v1/endpoints/digits/decisions': { asked: true } });
  assert.equal(requested.stdout, 'requested: see `penstock decisions digits`\n');
});

const functions = { needed: 4, busy_mean: 0.5, max_concurrency: 10, keep_alive_ms: 60_000, cold_start_share: 0, cold_start_ms: 150 };
const plan: PlanBody = {
  functions: null,
  model: 'digits/1',
  objective: 'p95<=100ms',
  feasible: true,
  chosen: decision.chosen,
  alternatives,
  arrivals,
  compute_ms: 9,
  reason: decision.reason,
  explanation: decision.explanation,
  candidates: decision.inputs.candidates,
  profiles: [{ memory_mib: 1536, basis: 'derived', measured_at: decision.at }],
};
const withFunctions = { ...plan, functions };
const version = { 'GET /api/v1/groups/digits/versions/1': { name: 'digits/1', group: 'digits', version: 1 } };

test('a plan lists the alternatives and why they were rejected', async () => {
  const { code, stdout, sent } = await run(['plan', 'digits/1', '--rate', '50', '--objective', 'p95 <= 100 ms', '--memory', '1536'], {
    ...version,
    'POST /api/v1/plan': plan,
  });
  assert.equal(code, 0);
  assert.deepEqual(sent['/api/v1/plan'], {
    model: 'digits/1',
    arrivals: { kind: 'poisson', rate_per_second: 50 },
    objective: 'p95<=100ms',
    policy: 'slack',
    memory_mib: 1536,
  });
  assert.match(stdout, /^arrivals +50 rows\/s, c² = 1\.03, 1000 recorded$/m);
  assert.match(stdout, /^chosen +1536 MiB +8 +slack +60 ms +96 ms +99 ms +97 % +3\.26 +\$0\.216$/m);
  assert.match(stdout, /^no-batching +1536 MiB +1 +60 ms +14 ms +99 ms +97 % +1 +\$1\.44 +costs 568 % more$/m);
  assert.match(stdout, /\nB = 8 keeps p95<=100ms\.\n$/);
});

test('a plan shows the number of functions and the share of cold starts', async () => {
  const argv = ['plan', 'digits/1', '--rate', '50', '--keep-alive', '2s', '--max-concurrency', '3'];
  const few = await run(argv, { ...version, 'POST /api/v1/plan': withFunctions });
  const { keep_alive_ms: keepAliveMs, max_concurrency: most } = few.sent['/api/v1/plan'] as Record<string, unknown>;
  assert.deepEqual([keepAliveMs, most], [2000, 3]);
  assert.match(few.stdout, /^functions +about 4 concurrent, of at most 10$/m);
  assert.match(few.stdout, /^cold starts +hardly any: idle functions are kept for 60 s$/m);
  const cold = { ...functions, needed: 12, cold_start_share: 0.941 };
  const many = await run(argv, { ...version, 'POST /api/v1/plan': { ...plan, functions: cold } });
  assert.match(many.stdout, /^functions +about 12 concurrent, of at most 10: raise --max-concurrency$/m);
  assert.match(many.stdout, /^cold starts +94\.1 % of batches wait 150 ms for one: idle functions are kept for 60 s$/m);
});

test('prints once that the model fits no memory size', async () => {
  const reason = 'the model needs 181 MiB, and the largest memory size it may have is 128 MiB';
  const nothing = { ...plan, alternatives: [], feasible: false, reason, explanation: `Nothing was chosen: ${reason}.` };
  const { stdout } = await run(['plan', 'digits/1', '--rate', '50'], { ...version, 'POST /api/v1/plan': nothing });
  assert.equal(stdout.split('181 MiB').length, 2);
});

test('a plan accepts bursts, recorded arrivals and every policy', async () => {
  const answers = { ...version, 'POST /api/v1/plan': { ...plan, feasible: false, reason: 'no setting keeps it' } };
  const bursts = await run(['plan', 'digits/1', '--rate', '20', '--burst', '400:250ms:1s', '--policy', 'batch'], answers);
  assert.deepEqual((bursts.sent['/api/v1/plan'] as { arrivals: unknown }).arrivals, {
    kind: 'mmpp',
    rates_per_second: [20, 400],
    switches_per_second: [1, 4],
  });
  assert.match(bursts.stdout, /^no setting keeps it$/m);
  const directory = mkdtempSync(join(tmpdir(), 'penstock-plan-'));
  try {
    const file = join(directory, 'times');
    writeFileSync(file, '0\n12.5\n\n13\n');
    const fixed = ['--policy', 'fixed', '--batch-size', '8', '--max-wait', '20ms'];
    const recorded = await run(['plan', 'digits/1', '--arrivals', file, ...fixed], answers);
    assert.deepEqual(recorded.sent['/api/v1/plan'], {
      model: 'digits/1',
      arrivals: { kind: 'times', times_ms: [0, 12.5, 13] },
      objective: null,
      policy: 'fixed',
      batch_size_max: 8,
      wait_ms_max: 20,
      memory_mib: 'auto',
    });
    writeFileSync(file, '0\nsoon\n');
    assert.match(
      (await run(['plan', 'digits/1', '--arrivals', file])).stderr,
      /line 2: expected a time in milliseconds, 0 or more, got 'soon'/,
    );
    for (const [text, says] of [
      ['', /has no arrival times: expected at least two/],
      ['5\n5\n', /has only one distinct arrival time/],
      ['0\n\n9\n3\n', /line 4: expected ascending times, got 3 after 9/],
      ['-3\n9\n', /line 1: expected a time in milliseconds, 0 or more, got '-3'/],
    ] as const) {
      writeFileSync(file, text);
      assert.match((await run(['plan', 'digits/1', '--arrivals', file])).stderr, says);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

for (const { argv, says } of [
  { argv: [], says: /missing arrivals: expected --rate 50, or --arrivals FILE/ },
  { argv: ['--rate', '0'], says: /expected a number above 0/ },
  { argv: ['--rate', '5', '--arrivals', 'x'], says: /--arrivals cannot be combined with --rate/ },
  { argv: ['--rate', '5', '--burst', '400:1s'], says: /RATE:LENGTH:PAUSE/ },
  { argv: ['--rate', '5', '--memory', '1GiB'], says: /expected a number of MiB, such as 2048, or auto/ },
  { argv: ['--rate', '5', '--batch-size', '8'], says: /--batch-size is only valid with --policy fixed: add that or remove the option/ },
  { argv: ['--rate', '5', '--policy', 'fixed'], says: /--policy fixed needs both --batch-size ROWS and --max-wait DURATION/ },
  { argv: ['--rate', '5', '--policy', 'hope'], says: /Allowed choices are slack, batch, batch-paper, fixed, none/ },
]) {
  test(`rejects plan ${argv.join(' ')} and says what was expected`, async () => {
    const { code, stderr } = await run(['plan', 'digits/1', ...argv]);
    assert.equal(code, 2);
    assert.match(stderr, says);
  });
}

test('shows the steps of monitored updates, the latest last, with the request counts they were judged by', async () => {
  const versions = { from: ['digits/1'], to: ['digits/2'], versions: [] };
  const update = {
    at: '2026-11-24T12:00:00Z',
    generation: 2,
    ...versions,
    reason: null,
    by: null,
    settings: [],
    more_settings: 0,
    staying: [],
    more_staying: 0,
  };
  const settings = [
    { setting: 'objective', from: null, to: 'p95<=50ms' },
    { setting: 'AllTraffic.instance_count', from: 1, to: 2 },
  ];
  const counted = { model: 'digits/2', requests: 531, late: 53, failed: 0, refused: 12, overloaded: 10 };
  const { code, stdout } = await run(['decisions', 'digits'], {
    'GET /api/v1/endpoints/digits/decisions?limit=10&folded=true': { items: [], next: null },
    'GET /api/v1/endpoints/digits/updates?limit=10': {
      items: [
        { ...update, what: 'rolled back', share_percent: null, reason: 'requested manually', by: 'me' },
        { ...update, what: 'settings changed', share_percent: null, by: 'me', settings, more_settings: 1 },
        { ...update, what: 'rolled back', share_percent: 20, reason: 'alarm errors is in ALARM', versions: [counted] },
        { ...update, what: 'started', share_percent: null },
        { ...update, what: 'deployed', from: [], to: ['digits/1'], share_percent: null, by: 'me' },
      ],
      next: null,
    },
  });
  assert.equal(code, 0);
  const lines = stdout.trimEnd().split('\n');
  assert.match(lines[0] ?? '', /^WHEN \(UTC\) +UPDATE +FROM +TO +SHARE +WHY$/);
  assert.match(lines[1] ?? '', /deployed +digits\/1 +requested by me$/);
  assert.match(lines[2] ?? '', /started +digits\/1 +digits\/2/);
  assert.match(
    lines[3] ?? '',
    /rolled back +digits\/1 +digits\/2 +20 % +alarm errors is in ALARM; digits\/2: 531 requests, 9\.9 % late, 1\.8 % rejected as overload, 0\.3 % rejected as invalid$/,
  );
  const changed = / objective from none to p95<=50ms, AllTraffic\.instance_count from 1 to 2 and 1 more; requested by me$/;
  assert.match(lines[4] ?? '', changed);
  assert.match(lines[5] ?? '', / requested manually, by me$/);
});
