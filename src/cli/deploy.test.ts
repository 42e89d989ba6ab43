/** What `penstock deploy` says of functions that cannot keep, or serve, what they were asked for. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { runAgainst } from '../../test/cli-house.ts';

const functions = { memory_mib: 'auto', max_concurrency: 10, provisioned: 0, keep_alive_ms: 60_000, batching: 'slack' };
const standing = { id: 'd2', feasible: true, reason: 'the cheapest that keeps p95<=100ms', predicted: {}, measured: null };
const variant = {
  name: 'AllTraffic',
  model: 'digits/1',
  instance_count: 0,
  functions,
  setting: null,
  environments: null,
  workers: [],
  decision: null as object | null,
};
const endpoint = { name: 'digits', status: 'InService', reason: null as string | null, objective: 'p95<=100ms' as string | null };
const served = { ...endpoint, generation: 2, served_generation: 2, notes: [], variants: [variant] };
const inputs = { model: 'digits/1', objective: 'p95<=100ms', memory_mib: 'auto', policy: { kind: 'slack' } };

interface Asked {
  readonly objective?: string | null;
  readonly variants: readonly {
    readonly scaling?: { readonly usd_per_hour_max?: unknown };
    readonly functions?: Record<string, unknown>;
  }[];
}

/** Deploys digits/1; the endpoint is there before, and then looks as `views` say, the last one from then on. */
async function deployed(
  argv: readonly string[],
  views: readonly object[],
  decisions: readonly object[] = [],
  refusal: object | null = null,
) {
  const seen: string[] = [];
  let asked = '';
  const answer: RequestListener = (request, response) => {
    const { method = '', url = '' } = request;
    seen.push(`${method} ${url}`);
    const gets = seen.filter((line) => line === 'GET /api/v1/endpoints/digits').length;
    const view = views[Math.min(gets, views.length) - 1] ?? served;
    const known: Record<string, unknown> = {
      'GET /api/v1/groups/digits/versions/1': {
        name: 'digits/1',
        group: 'digits',
        version: 1,
        approval: 'Approved',
        runtime: { kind: 'onnx' },
      },
      'GET /api/v1/endpoints/digits': view,
      'PATCH /api/v1/endpoints/digits': view,
      'GET /api/v1/endpoints/digits/decisions?kind=batching&limit=20': { items: decisions, next: null },
    };
    request.on('data', (chunk: Buffer) => (asked += chunk.toString()));
    request.on('end', () => {
      const isRefused = method === 'PATCH' && refusal !== null;
      response.writeHead(isRefused ? 400 : 200).end(JSON.stringify(isRefused ? refusal : (known[`${method} ${url}`] ?? null)));
    });
  };
  const ran = await runAgainst(answer, ['deploy', 'digits/1', 'digits', ...argv]);
  return { ...ran, asked: asked === '' ? null : (JSON.parse(asked) as Asked) };
}

test('deploy waits until it is decided for what was asked, and says that nothing keeps it', async () => {
  const reason = 'no setting keeps p95<=100ms: the best reaches p95 120ms, 20ms too much';
  const before = { ...served, variants: [{ ...variant, decision: { ...standing, id: 'd1' } }] };
  const after = { ...served, reason, variants: [{ ...variant, decision: { ...standing, feasible: false, reason } }] };
  const decisions = [
    { id: 'd2', inputs },
    { id: 'd1', inputs: { ...inputs, objective: null } },
  ];
  const { code, stdout } = await deployed(['--objective', 'p95<=100ms'], [before, before, before, after], decisions);
  assert.equal(code, 0);
  assert.equal(stdout.split(reason).length, 2, stdout);
});

test('functions that are too small for the model fail the deploy, once', async () => {
  const reason = 'the model needs 181 MiB, and the largest memory size it may have is 128 MiB';
  const small = { ...variant, functions: { ...functions, memory_mib: 128 } };
  const view = {
    ...served,
    objective: null,
    reason,
    variants: [{ ...small, decision: { ...standing, feasible: false, reason, predicted: null } }],
  };
  const decisions = [{ id: 'd2', inputs: { ...inputs, objective: null, memory_mib: 128 } }];
  const { code, stdout, stderr } = await deployed(['--memory', '128'], [view], decisions);
  assert.deepEqual([code, stdout], [1, '']);
  const said = stderr.split('\n').filter((line) => line.includes('181 MiB'));
  assert.deepEqual(said, [
    `penstock: digits is there, but can serve nobody: ${reason}: deploy it again with a larger --memory, or --memory auto`,
  ]);
});

test('where nothing is promised and no size is given, nobody waits for a decision', async () => {
  const { code, stderr } = await deployed([], [{ ...served, objective: null }]);
  assert.deepEqual([code, stderr.includes('measure')], [0, false]);
});

const scaling = { policy: 'economic', instances_min: 1, instances_max: 3, usd_per_hour_max: 0.5 };
const hybrid = { ...variant, instance_count: 1, instance_type: 'local.1', scaling, functions: { ...functions, usd_per_hour_max: 2 } };

test('budgets and the objective are lifted by none', async () => {
  const view = { ...served, objective: null, variants: [hybrid] };
  const { asked } = await deployed(['--scaling-budget', 'none', '--overflow-budget', 'none', '--objective', 'none', '--no-wait'], [view]);
  const [wanted] = asked?.variants ?? [];
  assert.deepEqual([wanted?.scaling?.usd_per_hour_max, wanted?.functions?.usd_per_hour_max, asked?.objective], [null, null, null]);
});

test('a refusal speaks of options, not of members of what was sent', async () => {
  const error = 'variants.0.scaling.usd_per_hour_max: Invalid input: expected number, received string';
  const { code, stderr } = await deployed(['--no-wait'], [served], [], { error, code: 'invalid_request' });
  assert.equal(code, 1);
  assert.match(stderr, /--scaling-budget: Invalid input: expected number, received string/);
  assert.doesNotMatch(stderr, /variants\.0/);
});

test('the last lines of a process that did not start are told once, as they were', async () => {
  const trace = 'Traceback (most recent call last):\n  File "serve", line 1\nFileNotFoundError: words.json';
  const reason = `serve did not pass the ping health check: exit code 1; its last lines:\n${trace}`;
  const failed = { ...hybrid, functions: null, scaling: null, ready: 0, workers: [{ state: 'failed', reason }] };
  for (const why of [reason, `variant AllTraffic: ${reason}`]) {
    const view = { ...served, objective: null, status: 'Failed', reason: why, variants: [failed] };
    const { code, stderr } = await deployed([], [view]);
    assert.equal(code, 1);
    assert.equal(stderr.split('FileNotFoundError').length, 2, stderr);
    assert(stderr.includes(trace));
    assert.match(stderr, /penstock: digits did not come into service: .*exit code 1; see `penstock logs`\n$/);
  }
});

test('says by what it was superseded, and fails', async () => {
  const other = { ...served, generation: 3, served_generation: 3, variants: [{ ...variant, model: 'digits/7' }] };
  const { code, stderr } = await deployed([], [{ ...served, status: 'Updating' }, { ...served, status: 'Updating' }, other]);
  assert.equal(code, 1);
  assert.match(stderr, /superseded by generation 3 \(digits\/7\)/);
});

test('says why it was taken back, and fails', async () => {
  const back = {
    ...served,
    generation: 3,
    served_generation: 3,
    rollout: { state: 'taken-back' },
    reason: 'the update was taken back: so',
  };
  const { code, stderr } = await deployed([], [{ ...served, status: 'Updating' }, { ...served, status: 'Updating' }, back]);
  assert.equal(code, 1);
  assert.match(stderr, /the update was taken back: so/);
});

const takenBack = { state: 'taken-back', reason: 'asked for by hand' };
const before = { ...served, objective: null, variants: [{ ...hybrid, functions: null, scaling: null, ready: 1 }] };

test('a version that serves already is said to, and why an earlier update was taken back is not told as if it were this one', async () => {
  const trouble = 'no more can be started: the machine is full';
  for (const { reason, told } of [
    { reason: 'the update was taken back: asked for by hand', told: null },
    { reason: `${trouble}; the update was taken back: asked for by hand`, told: trouble },
  ]) {
    const { code, stdout, stderr } = await deployed(['--canary', '10%:0s'], [{ ...before, rollout: takenBack, reason }]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /endpoint +digits: serves digits\/1 already: nothing was changed, so there is nothing to watch/);
    assert.doesNotMatch(stdout + stderr, /taken back|updated/);
    assert.equal(stdout.split('\n')[1], told ?? '');
  }
});

test('what changes nothing while an update is under way does not claim that it serves', async () => {
  const { stderr } = await deployed(['--no-wait'], [{ ...before, status: 'Updating' }]);
  assert.match(stderr, /endpoint +digits: is to serve digits\/1 already: nothing was changed(?!,)/);
});
