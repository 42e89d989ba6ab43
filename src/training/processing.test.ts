/** Processing jobs of /bin/sh, from their creation to their end. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TrainingFixture } from '../../test/training-fixture.ts';
import { processingJobId } from './job-kind.ts';
import { channelDefaults, type JobOutput, processingFolder, type TrainingChannel, type TrainingSpec } from './spec.ts';
import type { TrainingJob } from './training-job.ts';

const input = (name: string, prefix: string): TrainingChannel => ({
  ...channelDefaults,
  name,
  source: { kind: 's3', bucket: 'team', prefix },
  path: `${processingFolder}/input/${name}`,
});
const output = (name: string, more: Partial<JobOutput> = {}): JobOutput => ({
  name,
  path: `${processingFolder}/${name}`,
  bucket: 'team',
  prefix: `out/${name}`,
  isContinuous: false,
  ...more,
});

describe('a processing job', { timeout: 120_000 }, () => {
  let fixture: TrainingFixture;
  before(async () => {
    fixture = await TrainingFixture.open();
  });
  after(() => fixture?.end());

  const run = async (name: string, script: string, more: Partial<TrainingSpec> = {}): Promise<TrainingJob> => {
    const { training } = fixture;
    await training.create(fixture.spec(processingJobId(name), script, more), 'tester', {
      document: { ProcessingJobName: name, AppSpecification: { ImageUri: 'penstock/python' } },
    });
    return fixture.over(processingJobId(name));
  };

  test('finds its inputs and its request, and leaves the files of its outputs as objects', async () => {
    await fixture.put('code/evaluate.sh', 'echo "{\\"mse\\": 0.5}" > $ML/processing/evaluation/evaluation.json\n');
    const script =
      'export ML; ls $ML/processing/input/code; sh $ML/processing/input/code/evaluate.sh; mkdir $ML/processing/evaluation/deep; ' +
      'echo 1 > $ML/processing/evaluation/deep/rows.csv; cat $ML/config/processingjobconfig.json; echo done > $ML/output/message';
    const job = await run('evaluate-1', script, {
      channels: [input('code', 'code/evaluate.sh')],
      outputs: [output('evaluation')],
    });
    assert.deepEqual(
      [job.status, job.failureReason, job.exitMessage, job.version, job.artifactUri],
      ['Completed', null, 'done', null, null],
    );
    assert.equal((await fixture.read('out/evaluation/evaluation.json'))?.toString(), '{"mse": 0.5}\n');
    assert.equal((await fixture.read('out/evaluation/deep/rows.csv'))?.toString(), '1\n');
    const [listed, config = ''] = await fixture.lines(processingJobId('evaluate-1'));
    assert.equal(listed, 'evaluate.sh');
    assert.deepEqual(JSON.parse(config), {
      ProcessingJobArn: 'arn:aws:sagemaker:us-east-1:000000000000:processing-job/evaluate-1',
      ProcessingJobName: 'evaluate-1',
      AppSpecification: { ImageUri: 'penstock/python' },
    });
  });

  test('may have the name of a training job, and is listed apart from it', async () => {
    await fixture.run('same-1', 'true');
    await run('same-1', 'true');
    const names = async (kind: 'training' | 'processing', nameContains: string): Promise<string[]> =>
      (await fixture.training.list({ kind, nameContains, limit: 10 })).map(({ spec }) => spec.name);
    assert.deepEqual(await names('training', 'same'), ['same-1']);
    assert.deepEqual(await names('processing', 'same'), ['processing.same-1']);
    assert.deepEqual(await names('processing', 'process'), [], 'the prefix is no part of the name');
  });

  test('reports changes of its status alone, under its name', async () => {
    const events = async () => (await fixture.control.events.since(0, 1000)).filter(({ kind }) => kind.startsWith('processing.'));
    const before = (await events()).length;
    await run('events-1', 'exit 3');
    const reported = (await events()).slice(before);
    assert.deepEqual(
      reported.map(({ kind, subject }) => [kind, subject]),
      [
        ['processing.in-progress', 'events-1'],
        ['processing.failed', 'events-1'],
      ],
    );
    const [entry] = await fixture.control.audit.list({ limit: 1 });
    assert.deepEqual([entry?.action, entry?.target], ['CreateProcessingJob', 'events-1']);
  });

  test('that fails leaves nothing of its outputs, and says why', async () => {
    const job = await run('fails-1', 'echo 1 > $ML/processing/never/x; echo "no rows" >&2; exit 2', { outputs: [output('never')] });
    assert.deepEqual([job.status, job.failureReason], ['Failed', 'AlgorithmError: no rows, exit code: 2']);
    assert.equal(await fixture.read('out/never/x'), null);
  });

  test('is stopped after its time', async () => {
    const job = await run('late-1', 'while true; do sleep 0.05; done', { maxRuntimeMs: 1000 });
    assert.deepEqual([job.status, job.secondaryStatus], ['Stopped', 'MaxRuntimeExceeded']);
  });

  test('that follows links out of its outputs uploads nothing of the server', async () => {
    const script = `ln -s ${fixture.directory}/keys.json $ML/processing/links/keys.json; echo 1 > $ML/processing/links/own`;
    const job = await run('links-1', script, { outputs: [output('links')] });
    assert.deepEqual([job.status, job.notes.length], ['Completed', 1]);
    assert.equal(await fixture.read('out/links/keys.json'), null);
    assert.equal((await fixture.read('out/links/own'))?.toString(), '1\n');
  });

  for (const [what, more, message] of [
    [
      'an input outside of its folder',
      { channels: [{ ...input('a', 'rows/'), path: '/opt/ml/model' }] },
      /LocalPath '\/opt\/ml\/model' of 'a'/,
    ],
    [
      'a path that leaves its folder',
      { outputs: [output('a', { path: '/opt/ml/processing/../x' })] },
      /is not below \/opt\/ml\/processing/,
    ],
    [
      'two uses of one folder',
      { channels: [input('a', 'x')], outputs: [output('a', { path: `${processingFolder}/input/a` })] },
      /is given twice/,
    ],
    ['two outputs of one name', { outputs: [output('a'), output('a', { path: `${processingFolder}/b` })] }, /two outputs are named 'a'/],
    ['a bucket that is not there', { outputs: [output('a', { bucket: 'missing' })] }, /there is no bucket 'missing'/],
  ] as const) {
    test(`is rejected with ${what}`, async () => {
      await assert.rejects(fixture.training.create(fixture.spec('processing.bad-1', 'true', more), 'tester'), message);
    });
  }

  test('leaves what it writes to a continuous output while it runs', async () => {
    const id = processingJobId('continuous-1');
    const script = 'echo 1 > $ML/processing/live/first; echo ready; while ! test -e $ML/processing/live/stop; do sleep 0.05; done';
    await fixture.training.create(fixture.spec(id, script, { outputs: [output('live', { isContinuous: true })] }), 'tester');
    await fixture.printed(id, 'ready');
    await fixture.training.stop(id, 'tester');
    assert.equal((await fixture.over(id)).status, 'Stopped');
    assert.equal((await fixture.read('out/live/first'))?.toString(), '1\n');
  });
});
