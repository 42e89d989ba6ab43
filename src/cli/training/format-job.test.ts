import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TrainingJobBody } from '../../api/index.ts';
import { Style } from '../output/style.ts';
import { describeJob, formatMetric, jobsTable, objectiveText, sparkline, stagesText } from './format-job.ts';

test('a sparkline shows the course of a metric, with the last value of each of at most 20 parts', () => {
  assert.equal(sparkline([0.1, 0.3, 0.8, 0.9]), '▁▃▇█');
  assert.equal(sparkline([2, 2, 2]), '▄▄▄');
  assert.equal(sparkline([Number.NaN, 1, Number.POSITIVE_INFINITY, 3]), '▁█');
  assert.equal(sparkline([]), '');
  const long = sparkline(Array.from({ length: 1000 }, (_, i) => i));
  assert.equal(long.length, 20);
  assert.equal(long.at(-1), '█');
});

test('a metric has four significant digits', () => {
  assert.deepEqual([0.953333, 1, 12_345.6, 0.00001234567].map(formatMetric), ['0.9533', '1', '12350', '0.00001235']);
});

const at = (second: number): string => new Date(1_795_881_000_000 + 1000 * second).toISOString();
const transition = (status: string, from: number, to: number | null, message = status): TrainingJobBody['transitions'][number] => ({
  status,
  message,
  started_at: at(from),
  ended_at: to === null ? null : at(to),
});

test('stages are shown with their time, without the end of the job', () => {
  const running = [transition('Starting', 0, 0.2), transition('Downloading', 0.2, 0.3), transition('Training', 0.3, null)];
  assert.equal(stagesText({ transitions: running }), 'starting 200 ms · downloading 100 ms · training');
  const over = [transition('Starting', 0, 1), transition('Training', 1, 7.5), transition('Completed', 7.5, 7.5)];
  assert.equal(stagesText({ transitions: over }), 'starting 1 s · training 6.5 s');
  const waiting = [transition('Starting', 0, null, 'Waiting for capacity: 2 cores wanted, 1 free beside serving')];
  assert.equal(stagesText({ transitions: waiting }), 'starting: Waiting for capacity: 2 cores wanted, 1 free beside serving');
});

test('the objective is the first metric of the job', () => {
  const definitions = ['accuracy', 'loss'].map((name) => ({ name, regex: `${name}=(.*)` }));
  const values = [
    { name: 'loss', value: 3, at: at(0) },
    { name: 'accuracy', value: 0.5, at: at(0) },
    { name: 'accuracy', value: 0.9, at: at(1) },
  ];
  const metrics = values.slice(-1);
  assert.equal(objectiveText({ metric_definitions: definitions, metrics }, values), '▁█ accuracy 0.9');
  assert.equal(objectiveText({ metric_definitions: definitions, metrics }, values.slice(0, 2)), 'accuracy 0.9');
  assert.equal(objectiveText({ metric_definitions: definitions, metrics: [] }, values), '');
  assert.equal(objectiveText({ metric_definitions: [], metrics }, values), '');
});

const job: TrainingJobBody = {
  name: 'digits-1',
  status: 'InProgress',
  secondary_status: 'Training',
  reason: null,
  transitions: [],
  host: null,
  placed_because: null,
  attempt: 1,
  group: 'digits',
  version: null,
  environment: null,
  image: null,
  entry: 'train.py',
  command: null,
  source_sha256: null,
  git: null,
  hyperparameters: {},
  environment_variables: [],
  channels: [],
  output: 's3://penstock/out',
  checkpoints: null,
  artifact: null,
  instance_type: 'local.2',
  volume_gb: 1,
  max_runtime_s: 60,
  max_wait_s: null,
  spot: false,
  retries: 0,
  isolated: false,
  priority: 0,
  metric_definitions: [],
  metrics: [],
  usage: null,
  notes: [],
  created_by: 'ada',
  created_at: at(0),
  updated_at: at(0),
  started_at: null,
  ended_at: null,
};

test('a job of a cluster has its host, with the reason; one of a server that is alone has none', () => {
  const style = new Style({ write: () => true }, {});
  const placed = { ...job, host: 'h1', placed_because: 'h1 has 3 of 4 vCPU free; no other host has room' };
  assert.match(describeJob(placed, style), /^host +h1\n +h1 has 3 of 4 vCPU free; no other host has room$/m);
  assert.match(describeJob({ ...placed, placed_because: null }, style), /^host +h1$/m);
  assert.doesNotMatch(describeJob(job, style), /^host/m);
  assert.match(jobsTable([placed, job], style), /^NAME +STATUS .* HOST .*\ndigits-1 .* h1 /);
  assert.doesNotMatch(jobsTable([job], style), /HOST/);
});

test('a job without an environment says so, and what it has instead', () => {
  const style = new Style({ write: () => true }, {});
  assert.match(describeJob(job, style), /^in +no environment \(the machine's own programs\)$/m);
  assert.match(jobsTable([job], style), /^NAME +STATUS +DETAIL +RUNS IN .*\ndigits-1 +InProgress +Training +no environment /);
  assert.match(describeJob({ ...job, environment: 'sklearn' }, style), /^in +sklearn$/m);
});
