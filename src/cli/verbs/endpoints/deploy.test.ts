/** `penstock deploy`: outcomes of a deployment, and its messages. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { runAgainst } from '../../../../test/cli-fixture.ts';

const functions = { memory_mib: 'auto', max_concurrency: 10, provisioned: 0, keep_alive_ms: 60_000, batching: 'slack' };
const current = { id: 'd2', feasible: true, reason: 'the cheapest that keeps p95<=100ms', predicted: {}, correction: null, measured: null };
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
const served = { ...endpoint, generation: 2, served_generation: 2, notes: [], selection: null, variants: [variant] };
const inputs = { model: 'digits/1', objective: 'p95<=100ms', memory_mib: 'auto', policy: { kind: 'slack' } };

interface DeployedBody {
  readonly objective?: string | null;
  readonly variants: readonly {
    readonly scaling?: { readonly usd_per_hour_max?: unknown };
    readonly functions?: Record<string, unknown>;
  }[];
}

/** Deploys digits/1 to an existing endpoint. Successive reads return `views` in order; the last one repeats. */
async function deployed(
  argv: readonly string[],
  views: readonly object[],
  decisions: readonly object[] = [],
  refusal: object | null = null,
) {
  const calls: string[] = [];
  let requested = '';
  const answer: RequestListener = (request, response) => {
    const { method = '', url = '' } = request;
    calls.push(`${method} ${url}`);
    const gets = calls.filter((line) => line === 'GET /api/v1/endpoints/digits').length;
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
    request.on('data', (chunk: Buffer) => (requested += chunk.toString()));
    request.on('end', () => {
      const isRejected = method === 'PATCH' && refusal !== null;
      response.writeHead(isRejected ? 400 : 200).end(JSON.stringify(isRejected ? refusal : (known[`${method} ${url}`] ?? null)));
    });
  };
  const ran = await runAgainst(answer, ['deploy', 'digits/1', 'digits', ...argv]);
  return { ...ran, requested: requested === '' ? null : (JSON.parse(requested) as DeployedBody) };
}

test('a name that is both a folder and no group gets the form for the folder', async () => {
  const answer: RequestListener = (_request, response) => {
    response.writeHead(404).end(JSON.stringify({ code: 'not_found', error: "there is no model group 'docs'" }));
  };
  const { code, stderr } = await runAgainst(answer, ['deploy', 'docs', 'digits']);
  assert.equal(code, 1);
  assert.match(stderr, /there is no model group 'docs'\. For the folder of this name, write \.\/docs\n/);
});

test('waits for a decision on the requested settings, and says that none meets the objective', async () => {
  const reason = 'no setting keeps p95<=100ms: the best reaches p95 120ms, 20ms too much';
  const before = { ...served, variants: [{ ...variant, decision: { ...current, id: 'd1' } }] };
  const after = { ...served, reason, variants: [{ ...variant, decision: { ...current, feasible: false, reason } }] };
  const decisions = [
    { id: 'd2', inputs },
    { id: 'd1', inputs: { ...inputs, objective: null } },
  ];
  const { code, stdout } = await deployed(['--objective', 'p95<=100ms'], [before, before, before, after], decisions);
  assert.equal(code, 0);
  assert.equal(stdout.split(reason).length, 2, stdout);
});

test('fails with one message if functions are too small for the model', async () => {
  const reason = 'the model needs 181 MiB, and the largest memory size it may have is 128 MiB';
  const small = { ...variant, functions: { ...functions, memory_mib: 128 } };
  const view = {
    ...served,
    objective: null,
    reason,
    variants: [{ ...small, decision: { ...current, feasible: false, reason, predicted: null } }],
  };
  const decisions = [{ id: 'd2', inputs: { ...inputs, objective: null, memory_mib: 128 } }];
  const { code, stdout, stderr } = await deployed(['--memory', '128'], [view], decisions);
  assert.deepEqual([code, stdout], [1, '']);
  const messages = stderr.split('\n').filter((line) => line.includes('181 MiB'));
  assert.deepEqual(messages, [
    `penstock: digits was deployed but cannot serve requests: ${reason}. Deploy it again with a larger --memory, or with --memory auto`,
  ]);
});

test('does not wait for a decision without an objective and a memory size', async () => {
  const { code, stderr } = await deployed([], [{ ...served, objective: null }]);
  assert.deepEqual([code, stderr.includes('measure')], [0, false]);
});

const scaling = { policy: 'economic', instances_min: 1, instances_max: 3, usd_per_hour_max: 0.5 };
const hybrid = { ...variant, instance_count: 1, instance_type: 'local.1', scaling, functions: { ...functions, usd_per_hour_max: 2 } };

test('removes budgets and the objective with none', async () => {
  const view = { ...served, objective: null, variants: [hybrid] };
  const { requested: reference } = await deployed(
    ['--scaling-budget', 'none', '--overflow-budget', 'none', '--objective', 'none', '--no-wait'],
    [view],
  );
  const [wanted] = reference?.variants ?? [];
  assert.deepEqual([wanted?.scaling?.usd_per_hour_max, wanted?.functions?.usd_per_hour_max, reference?.objective], [null, null, null]);
});

test('reports an error response in terms of options, not of JSON fields', async () => {
  const error = 'variants.0.scaling.usd_per_hour_max: Invalid input: expected number, received string';
  const { code, stderr } = await deployed(['--no-wait'], [served], [], { error, code: 'invalid_request' });
  assert.equal(code, 1);
  assert.match(stderr, /--scaling-budget: Invalid input: expected number, received string/);
  assert.doesNotMatch(stderr, /variants\.0/);
});

test('prints the last lines of a process that did not start once and unchanged', async () => {
  const trace = 'Traceback (most recent call last):\n  File "serve", line 1\nFileNotFoundError: words.json';
  const reason = `serve did not pass the ping health check: exit code 1; its last lines:\n${trace}`;
  const failed = { ...hybrid, functions: null, scaling: null, ready: 0, workers: [{ state: 'failed', reason }] };
  for (const why of [reason, `variant AllTraffic: ${reason}`]) {
    const view = { ...served, objective: null, status: 'Failed', reason: why, variants: [failed] };
    const { code, stderr } = await deployed([], [view]);
    assert.equal(code, 1);
    assert.equal(stderr.split('FileNotFoundError').length, 2, stderr);
    assert(stderr.includes(trace));
    assert.match(stderr, /penstock: digits failed to enter service: .*exit code 1; see `penstock logs`\n$/);
  }
});

test('fails if the update was superseded, and says by what', async () => {
  const other = { ...served, generation: 3, served_generation: 3, variants: [{ ...variant, model: 'digits/7' }] };
  const { code, stderr } = await deployed([], [{ ...served, status: 'Updating' }, { ...served, status: 'Updating' }, other]);
  assert.equal(code, 1);
  assert.match(stderr, /superseded by generation 3 \(digits\/7\)/);
});

test('fails if the update was rolled back, and says why', async () => {
  const back = {
    ...served,
    generation: 3,
    served_generation: 3,
    rollout: { state: 'rolled-back' },
    reason: 'the update was rolled back: so',
  };
  const { code, stderr } = await deployed([], [{ ...served, status: 'Updating' }, { ...served, status: 'Updating' }, back]);
  assert.equal(code, 1);
  assert.match(stderr, /the update was rolled back: so/);
});

const rolledBack = { state: 'rolled-back', reason: 'requested manually' };
const before = { ...served, objective: null, variants: [{ ...hybrid, functions: null, scaling: null, ready: 1 }] };

test('says that the version is already served, without the reason of an earlier rollback', async () => {
  const trouble = 'no more can be started: the machine is full';
  for (const { reason, shown } of [
    { reason: 'the update was rolled back: requested manually', shown: null },
    { reason: `${trouble}; the update was rolled back: requested manually`, shown: trouble },
  ]) {
    const { code, stdout, stderr } = await deployed(['--canary', '10%:0s'], [{ ...before, rollout: rolledBack, reason }]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /endpoint +digits: already serves digits\/1: nothing was changed, so there is nothing to watch/);
    assert.doesNotMatch(stdout + stderr, /rolled back|updated/);
    assert.equal(stdout.split('\n')[1], shown ?? '');
  }
});

test('does not claim that a version is served while an update is in progress', async () => {
  const { stderr } = await deployed(['--no-wait'], [{ ...before, status: 'Updating' }]);
  assert.match(stderr, /endpoint +digits: is already being updated to digits\/1: nothing was changed(?!,)/);
});
