/** Training with the captured calls of an endpoint, once they have labels. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type {
  CreatedKeyBody,
  LabelsBody,
  PipelineRunBody,
  TrainingJobBody,
  TrainingJobDetailBody,
  TrainingLogBody,
} from '../../src/api/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, type Refusal, Server, temporaryDirectory } from './server.ts';

const [header = '', ...lines] = readFileSync(join(import.meta.dirname, '../../assets/catalogue/digits_test.csv'), 'utf8')
  .trim()
  .split('\n');
const labelAt = header.split(',').indexOf('label');
const rows = lines.slice(0, 12).map((line) => line.split(','));
const pixelsOf = (row: readonly string[]): number[] => row.filter((_, at) => at !== labelAt).map(Number);

describe('captured calls with labels', { timeout: 170_000 }, () => {
  let server: Server;
  let folder: string;
  before(async () => {
    folder = temporaryDirectory();
    server = await Server.start();
    await cli('deploy', 'catalogue:digits-mlp', 'digits', '--approve', '--capture', '100%');
  });
  after(async () => {
    await server?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  const cli = (...args: string[]) =>
    promisify(execFile)(penstock, args, { env: { ...plainEnvironment(), PENSTOCK_URL: server.url }, cwd: folder });
  const copy = 'cp /opt/ml/input/data/recent/rows.csv /opt/ml/model/; cat /opt/ml/input/data/recent/rows.csv';
  const train = async (name: string, more: object): Promise<TrainingJobDetailBody> => {
    const spec = { name, environment: null, command: ['/bin/sh', '-c', copy], ...more };
    await server.callWell<TrainingJobBody>('POST', '/training-jobs', spec);
    return until(`job ${name} is over`, async () => {
      const job = await server.callWell<TrainingJobDetailBody>('GET', `/training-jobs/${name}`);
      return job.status !== 'InProgress' && job;
    });
  };
  const captured = { channels: [{ name: 'recent', source: 'captured:digits' }] };

  test('are needed: without labels, the job fails and says what to do', async () => {
    for (const [at, row] of rows.entries()) {
      const inputs = [{ name: 'pixels', shape: [1, 64], datatype: 'FP32', data: pixelsOf(row) }];
      const reply = await fetch(`${server.url}/v2/models/digits/infer`, { method: 'POST', body: JSON.stringify({ id: `i${at}`, inputs }) });
      assert.equal(reply.status, 200, await reply.text());
    }
    const job = await train('early', captured);
    assert.equal(job.status, 'Failed');
    assert.match(
      job.reason ?? '',
      /no labelled rows of endpoint 'digits' since .*: post labels with `penstock labels digits --file labels\.jsonl`/,
    );
    const unknown = await server.call<Refusal>('POST', '/training-jobs', {
      name: 'x',
      environment: null,
      command: ['/bin/true'],
      channels: [{ name: 'recent', source: 'captured:absent' }],
    });
    assert.deepEqual([unknown.status, unknown.body.code], [404, 'not_found']);
  });

  test('are CSV with the label last, one row per labelled row of any API', async () => {
    const csv = rows.slice(0, 2).map((row) => pixelsOf(row).join(','));
    const reply = await fetch(`${server.url}/api/v1/endpoints/digits/invoke`, {
      method: 'POST',
      headers: { 'content-type': 'text/csv', 'x-penstock-inference-id': 'two' },
      body: `${csv.join('\n')}\n`,
    });
    assert.equal(reply.status, 200, await reply.text());
    const labels = [
      ...rows.slice(0, 10).map((row, at) => ({ inference_id: `i${at}`, label: Number(row[labelAt]) })),
      { inference_id: 'two', label: ['a', 'b,c'] },
    ];
    writeFileSync(join(folder, 'labels.jsonl'), labels.map((label) => JSON.stringify(label)).join('\n'));
    const accepted = await cli('labels', 'digits', '--file', 'labels.jsonl', '--output', 'json');
    // The answers are classes, so labels of any text match them in kind.
    assert.equal((JSON.parse(accepted.stdout) as LabelsBody).matched, 11);
    const job = await train('labelled', captured);
    assert.deepEqual([job.status, job.reason], ['Completed', null]);
    const { items } = await server.callWell<TrainingLogBody>('GET', '/training-jobs/labelled/logs');
    const [first = '', ...found] = items.map(({ line }) => line);
    assert.match(first, /^pixels\[0\],pixels\[1\],.*,pixels\[63\],label$/);
    assert.equal(found.length, 12);
    assert.equal(found.filter((line) => line.endsWith(',"b,c"')).length, 1);
  });

  test('are trained with by the command line, and the rows stay readable for those that may read captured calls', async () => {
    const script = 'import os, shutil\nshutil.copy(os.environ["SM_CHANNEL_TRAIN"] + "/rows.csv", os.environ["SM_MODEL_DIR"])\n';
    writeFileSync(join(folder, 'train.py'), script);
    await cli('train', 'train.py', '--environment', 'none', '--name', 'by-cli', '--data', 'captured:digits');
    const { channels } = await server.callWell<TrainingJobDetailBody>('GET', '/training-jobs/by-cli');
    assert.equal(channels[0]?.source, 'captured:digits');
    const read = async (key: string): Promise<string> => {
      const [accessKeyId = '', secretAccessKey = ''] = key.split(':');
      const options = { endpoint: server.url, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
      const s3 = new S3Client({ ...options, forcePathStyle: true });
      try {
        const object = await s3.send(new GetObjectCommand({ Bucket: 'penstock-training', Key: 'by-cli/input/train/rows.csv' }));
        return (await object.Body?.transformToString()) ?? '';
      } finally {
        s3.destroy();
      }
    };
    assert.match(await read(server.adminKey), /^pixels\[0\],/);
    const viewer = await server.callWell<CreatedKeyBody>('POST', '/keys', { role: 'viewer' });
    await assert.rejects(read(`${viewer.id}:${viewer.secret}`), { name: 'AccessDenied' });
  });

  test('are a channel of a pipeline', async () => {
    const file = `name: recent-loop
train:
  command: [/bin/sh, -c, "${copy}"]
  channels:
    recent: {captured: digits, labelled: true, since: 30d, rowsMax: 5}
`;
    writeFileSync(join(folder, 'loop.yaml'), file);
    await cli('pipeline', 'apply', 'loop.yaml');
    await cli('pipeline', 'run', 'recent-loop');
    const run = await until('the run is over', async () => {
      const { items } = await server.callWell<{ items: PipelineRunBody[] }>('GET', '/pipelines/recent-loop/runs');
      return items[0] !== undefined && items[0].state !== 'InProgress' && items[0];
    });
    assert.equal(run.state, 'Completed', JSON.stringify(run));
  });
});
