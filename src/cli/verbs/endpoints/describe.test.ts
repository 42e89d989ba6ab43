import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { runAgainst } from '../../../../test/cli-fixture.ts';
import type { EndpointBody, StatisticsBody, VariantBody, VersionBody, WorkerBody } from '../../../api/index.ts';
import { batchableText, pythonFields } from '../../options/python-options.ts';
import { countedText, variantsText, workersText } from './describe.ts';

const variant = (name: string, since: string | null) => ({ name, statistics: since === null ? null : ({ since } as StatisticsBody) });
const [early, late] = ['2026-11-24T12:00:00.000Z', '2026-11-24T13:30:00.000Z'];

test('says since when requests are counted, for each variant if they differ', () => {
  assert.equal(
    countedText([variant('AllTraffic', early)]),
    'Requests, failures and times of the current version, since 2026-11-24 12:00:00 UTC\n',
  );
  assert.match(countedText([variant('a', early), variant('b', early)]), /, since 2026-11-24 12:00:00 UTC\n$/);
  assert.match(
    countedText([variant('a', early), variant('b', late), variant('c', null)]),
    /, since 2026-11-24 12:00:00 UTC \(a\), 2026-11-24 13:30:00 UTC \(b\)\n$/,
  );
  assert.equal(countedText([variant('AllTraffic', null)]), '');
});

test('counts rejected requests apart from failed ones, including those rejected as overload', () => {
  const statistics = { requests: 100, failures: 7, refused: 5, executions: 0 } as StatisticsBody;
  const served = {
    name: 'AllTraffic',
    model: 'digits/1',
    weight: 1,
    shadow: null,
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
  assert.deepEqual(['REQUESTS', 'FAILED', 'REJECTED'].map(cellOf), ['100', '2', '5']);
});

test('shows the batch size of a queue that is too long for the objective beside the one by the objective', () => {
  const served = { name: 'AllTraffic', weight: 1, shadow: null, workers: [], functions: null, statistics: null };
  const rowOf = (sizes: Pick<VariantBody, 'batch_size' | 'batch_size_late'>) =>
    variantsText([{ ...served, ...sizes } as unknown as VariantBody]);
  assert.match(rowOf({ batch_size: 1, batch_size_late: 32 }), / 1, late 32\s/);
  assert.doesNotMatch(rowOf({ batch_size: 32, batch_size_late: 32 }), /late/);
});

test('says what opening a Python model runs, and that batching is unknown until then', () => {
  const environment = { name: null, lock: null };
  const blank = { needs: [], requirements: null, columns: null, imports: null };
  const textOf = (flavour: string, imports: string[] | null, state: string): string => {
    const python = { ...blank, state, imports: imports && { all: imports, outside: [] } };
    const runtime = { kind: 'python', flavour, form: 'tensors', environment };
    const version = { runtime, python, batchable: false, batchable_reason: 'rows differ' } as unknown as VersionBody;
    return `${Object.fromEntries(pythonFields(version))['opens']}; ${batchableText(version)}`;
  };
  const requested = { ...blank, state: 'opening', stage: 'probe', requested_by: 'KEY1' };
  const opening = { runtime: { kind: 'python', flavour: 'code', form: null, environment }, python: requested } as unknown as VersionBody;
  assert.equal(Object.fromEntries(pythonFields(opening))['opening'], 'tests whether rows can share a batch, requested by KEY1');
  const packages = ['numpy', 'xgboost'];
  const open = {
    state: 'opened',
    python: '3.11.7',
    needs: packages,
    libraries: { 'xgboost-cpu': '3.2.0', numpy: '2.4.6' },
    imports: null,
    columns: null,
  };
  const version = {
    runtime: { kind: 'python', flavour: 'xgboost', form: 'tensors', environment: { name: 'sk', lock: null } },
    python: open,
  };
  const shown = Object.fromEntries(pythonFields(version as unknown as VersionBody))['runtime'];
  assert.equal(shown, 'python 3.11.7, environment sk (numpy 2.4.6, xgboost-cpu 3.2.0)');
  const untested = 'unknown: tested when the model is opened, at its approval';
  assert.equal(textOf('xgboost', null, 'registered'), `a file without code; ${untested}`);
  assert.equal(textOf('code', null, 'failed'), `its code runs when it is opened and with every request; ${untested}`);
  const types = 'a list of types: opening it runs code of sklearn (no names outside of the libraries)';
  assert.equal(textOf('skops', ['sklearn.svm.SVC'], 'opened'), `${types}; no: rows differ`);
  assert.match(textOf('sklearn', ['sklearn.svm.SVC'], 'opened'), /^a pickle: /);
});

test('shows the measured service times of a version, and that the machine was busy', async () => {
  const version = { name: 'digits/1', runtime: { kind: 'onnx' }, approval: 'Approved', approval_changed_by: null, approval_note: null };
  const rest = { signature: { inputs: [], outputs: [] }, batchable: true, batchable_reason: 'probed', metrics: {}, metadata: {}, tags: {} };
  const file = { notes: [], artifact: { bytes: 1, sha256: 'a' }, opsets: {}, properties: {}, created_at: early, created_by: 'me' };
  const busy = 'measured on a busy machine: runs took 3.0 times as long';
  const measured = { executor: 'instance:local.1', service: [{ b: 1, p50_ms: 4 }], batch_max: 32, notes: [busy, 'stopped early'] };
  const answer: RequestListener = ({ url = '' }, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify(
        url.endsWith('/profile') ? { items: [measured, { ...measured, executor: 'function:128' }] } : { ...version, ...rest, ...file },
      ),
    );
  };
  const { stdout } = await runAgainst(answer, ['describe', 'digits/1']);
  assert.match(stdout, /^measured +instance:local\.1: 4 ms per row, up to 32 rows per batch; stopped early\n +function:128: 4 ms per row/m);
  assert.equal(stdout.split(busy).length, 2, 'once for all executors');
  assert.match(stdout, new RegExp(`^ +${busy}\\. `, 'm'));
});

const group = { name: 'digits', description: '', versions: 2, latest_version: 2, latest_approved: 1, tags: {}, created_at: early };
const serve: RequestListener = ({ url = '' }, response) => {
  const answers: Readonly<Record<string, unknown>> = {
    '/api/v1/groups/digits': group,
    '/api/v1/groups?limit=500': { items: [group], next: null },
    '/api/v1/endpoints?limit=500': { items: [{ name: 'wine' }], next: null },
  };
  response.writeHead(url in answers ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(answers[url] ?? { error: `there is nothing at ${url}`, code: 'not_found' }));
};

test('describes a group with --group even if an endpoint has the same name', async () => {
  const requested: string[] = [];
  const answer: RequestListener = (request, response) => {
    requested.push(request.url ?? '');
    serve(request, response);
  };
  for (const argv of [
    ['--group', 'digits'],
    ['digits', '--group'],
  ]) {
    const { code, stdout } = await runAgainst(answer, ['describe', ...argv]);
    assert.deepEqual([code, stdout.split('\n')[0]], [0, 'group     digits']);
  }
  assert.deepEqual([...new Set(requested)], ['/api/v1/groups/digits']);
});

const placed = { host: 'h1', placed_because: 'h1 has 3 of 4 vCPU free; no other host has room' };
const times = { created_by: 'ada', created_at: early, updated_at: early, started_at: early, ended_at: null };
const ran = {
  status: 'InProgress',
  reason: null,
  transitions: [],
  environment: null,
  image: null,
  command: ['/bin/true'],
  ...placed,
  ...times,
};
const limits = {
  instance_type: 'local.1',
  volume_gb: 1,
  max_runtime_s: 60,
  isolated: false,
  environment_variables: [],
  usage: null,
  notes: [],
};
const counts = { completed: 0, in_progress: 1, failed: 0, stopped: 0 };
const trial = {
  number: 1,
  job: 'search-001',
  values: {},
  status: 'InProgress',
  objective: null,
  stopped_early: false,
  reason: null,
  host: 'h2',
};
const jobs: Readonly<Record<string, unknown>> = {
  '/api/v1/processing-jobs/clean': {
    name: 'clean',
    secondary_status: 'Processing',
    exit_message: null,
    inputs: [],
    outputs: [],
    ...ran,
    ...limits,
  },
  '/api/v1/tuning-jobs/search': {
    name: 'search',
    status: 'InProgress',
    reason: null,
    strategy: 'Random',
    metric: 'loss',
    goal: 'Minimize',
    ranges: [],
    jobs: 2,
    parallel: 1,
    seed: 7,
    counts,
    best: null,
    instance_type: 'local.1',
    ...times,
  },
  '/api/v1/tuning-jobs/search/trials': { items: [{ ...trial, ...times }] },
};
for (const [name, says] of [
  ['clean', /^name +clean\n[^]*^host +h1\n +h1 has 3 of 4 vCPU free; no other host has room$/m],
  ['search', /^# +JOB +STATUS +HOST\n1 +search-001 +InProgress +h2$/m],
] as const) {
  test(`describes the job ${name}, with its host`, async () => {
    const answer: RequestListener = (request, response) => {
      const job = jobs[request.url ?? ''];
      if (job === undefined) serve(request, response);
      else response.end(JSON.stringify(job));
    };
    const { code, stdout } = await runAgainst(answer, ['describe', name]);
    assert.equal(code, 0);
    assert.match(stdout, says);
  });
}

for (const [argv, says] of [
  [['digts'], "there is no endpoint, model group or job 'digts': did you mean `penstock describe digits`?"],
  [['wnie'], "there is no endpoint, model group or job 'wnie': did you mean `penstock describe wine`?"],
  [['iris'], "there is no endpoint, model group or job 'iris': see `penstock endpoints`, `penstock groups` and `penstock training list`"],
  [['--group', 'digits/1'], "there is no model group 'digits/1': did you mean `penstock describe --group digits`?"],
  [['--group', 'wnie'], "there is no model group 'wnie': see `penstock groups`"],
] as const) {
  test(`describe ${argv.join(' ')}: names what is missing, and the nearest name`, async () => {
    const { code, stderr } = await runAgainst(serve, ['describe', ...argv]);
    assert.deepEqual([code, stderr], [1, `penstock: ${says}\n`]);
  });
}

test('shows corrected predictions with the reason, and an endpoint that misses its objective', async () => {
  const figures = { p50_ms: 20, p95_ms: 39, p99_ms: 60, within_slo: 0.9, mean_batch: 2.06, cost_usd_per_million: 0.132 };
  const correction = 'corrected, as the last period had p95 39 ms instead of 81 ms';
  const decision = { id: 'd', feasible: true, reason: 'the cheapest', predicted: figures, correction, measured: null };
  const functions = { memory_mib: 'auto', max_concurrency: 10, provisioned: 0, keep_alive_ms: 60_000, batching: 'slack' };
  const now = { setting: null, environments: null, overflow: null, scaling: null, statistics: null, workers: [], batch_size: null };
  const served = {
    name: 'AllTraffic',
    model: 'digits/1',
    weight: 1,
    shadow: null,
    multi_model: null,
    instance_type: 'local.1',
    ready: 0,
    wanted: 0,
  };
  const counts = { instance_count: 0 };
  const shown = {
    name: 'digits',
    status: 'InService',
    reason: null,
    description: null,
    objective: 'p95<=50ms',
    in_time: 0.9,
    late: 'serve',
  };
  const others = {
    timeout_ms: 1000,
    capture: null,
    rollout: null,
    rolled_back: [],
    notes: [],
    selection: null,
    created_at: early,
    updated_at: early,
  };
  const answer: RequestListener = ({ url = '' }, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const variants = [{ ...served, ...counts, ...now, functions, decision }];
    response.end(JSON.stringify(url.endsWith('/usage') ? { items: [], since: null } : { ...shown, ...others, variants }));
  };
  const { stdout, stderr } = await runAgainst(answer, ['describe', 'digits']);
  assert.match(stdout, /^status +In service, missing its objective$/m, stderr);
  assert.match(
    stdout,
    /^AllTraffic +predicted, corrected +20 ms +39 ms .* the cheapest; corrected, as the last period had p95 39 ms instead of 81 ms$/m,
  );
});

test('shows on which host and in which zone each worker runs, if the server has hosts', () => {
  const worker = { model: 'm/1', state: 'ready', pid: 7, rss_bytes: null, restarts: 0, reason: null };
  const shown = (...places: readonly Pick<WorkerBody, 'id' | 'host' | 'zone'>[]): string => {
    const workers = places.map((place) => ({ ...worker, ...place }));
    return workersText({ variants: [{ workers } as unknown as VariantBody] } satisfies Pick<EndpointBody, 'variants'>, {
      state: (text) => text,
    });
  };
  assert.equal(
    shown({ id: 'w.0', host: 'h1', zone: 'zone-1' }, { id: 'w.1', host: null, zone: null }),
    'WORKER  MODEL  STATE  HOST  ZONE    PID  RESTARTS\nw.0     m/1    ready  h1    zone-1    7         0\nw.1     m/1    ready                  7         0\n',
  );
  assert.doesNotMatch(shown({ id: 'w.0', host: null, zone: null }), /HOST|ZONE/);
});
