/** Training jobs by the command line and the native API. The scripts need only python3, and copy a model instead of computing one. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { EventBody, TrainingJobBody, TrainingJobDetailBody, TrainingLogBody, VersionBody } from '../../src/api/index.ts';
import { json, sendSigned } from '../aws/signed-request.ts';
import { modelPath } from '../models/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, type Refusal, Server, temporaryDirectory } from './server.ts';

const script = `import argparse, os, shutil, time
parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--pause", type=float, default=0)
arguments = parser.parse_args()
print(len(open(os.environ["SM_CHANNEL_TRAIN"] + "/rows.csv").readlines()), "lines")
for epoch in range(1, arguments.rounds + 1):
    time.sleep(arguments.pause)
    print(f"epoch={epoch} validation-accuracy={0.9 + epoch / 100:.4f}", flush=True)
shutil.copy(os.environ["SM_CHANNEL_MODEL"] + "/digits_mlp.onnx", os.environ["SM_MODEL_DIR"] + "/model.onnx")
`;
const metric = ['--metric', 'accuracy=validation-accuracy=([0-9.]+)'];

describe('training jobs', { timeout: 170_000 }, () => {
  let server: Server;
  let folder: string;
  before(async () => {
    folder = temporaryDirectory();
    writeFileSync(join(folder, 'train.py'), script);
    writeFileSync(join(folder, 'rows.csv'), 'a,b\n1,2\n3,4\n');
    server = await Server.start();
  });
  after(async () => {
    await server?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  const environment = () => ({ ...plainEnvironment(), PENSTOCK_URL: server.url });
  const cli = (...argv: string[]) => promisify(execFile)(penstock, argv, { env: environment(), cwd: folder });
  const data = ['--data', 'rows.csv', '--data', `model=${modelPath('digits_mlp')}`];
  const train = (...argv: string[]) => cli('train', 'train.py', '--environment', 'none', ...data, ...argv);
  const over = (name: string): Promise<TrainingJobDetailBody> =>
    until(`job ${name} is over`, async () => {
      const job = await server.callWell<TrainingJobDetailBody>('GET', `/training-jobs/${name}`);
      return job.status !== 'InProgress' && job.status !== 'Stopping' && job;
    });
  /** Runs `command` of /bin/sh. */
  const shell = (name: string, command: string, more: object = {}) =>
    server.callWell<TrainingJobBody>('POST', '/training-jobs', { name, environment: null, command: ['/bin/sh', '-c', command], ...more });

  test('a script and its data become a version, which is compared with the one before and can be reproduced', async () => {
    const first = await train('--group', 'digits', '--hyperparameter', 'rounds=3', '--hyperparameter', 'pause=1.01', ...metric);
    assert.match(
      first.stdout,
      /^completed in [\d.]+ m?s, \$[\d.]+: digits\/1, accuracy 0\.93, PendingManualApproval\nnext: penstock approve digits\/1\n$/,
    );
    assert.match(first.stderr, /✔ upload {4}digits-1 \(no environment, local\.1\): code 1 file \d+ B, data \d+ KiB/);
    assert.match(first.stderr, /✔ train {5}digits-1: starting .* · downloading .* · training .* · ▁▅█ accuracy 0\.93/);
    const second = await train('--group', 'digits', '--hyperparameter', 'rounds=4', '--approve-if-better', 'accuracy', ...metric);
    assert.match(second.stdout, /: digits\/2, accuracy 0\.94 \(digits\/1: 0\.93\), Approved\nnext: penstock deploy digits\/2 digits\n$/);
    const third = await train('--group', 'digits', '--approve-if-better', 'accuracy', ...metric);
    assert.match(third.stdout, /: digits\/3, accuracy 0\.93 \(digits\/2: 0\.94\), PendingManualApproval\n/);
    assert.match(third.stderr, /digits\/3 is not approved: accuracy 0\.93 is not better than 0\.94 of digits\/2/);

    const { stdout } = await cli('reproduce', 'digits/2');
    assert.match(stdout, /^digits\/2 is reproduced: the model has the same bytes \(\d+ KiB, md5 [0-9a-f]{32}\)\n$/);
    const { metadata } = await server.callWell<VersionBody>('GET', '/groups/digits/versions/2');
    const lineage = JSON.parse(metadata['lineage'] ?? '') as { job: string; parent: string; data: Record<string, { uri: string }> };
    assert.deepEqual([lineage.job, lineage.parent], ['digits-2', 'digits/1']);
    assert.match(lineage.data['train']?.uri ?? '', /^s3:\/\/penstock-training\/uploads\/[0-9a-f-]+\/train\/$/);
  });

  test('jobs are listed, described and read, and cost something', async () => {
    await train(
      '--name',
      'shown',
      '--hyperparameter',
      'rounds=12',
      '--hyperparameter',
      'pause=0.2',
      '--env',
      'TOKEN=secret-value',
      ...metric,
    );
    const { stdout: list } = await cli('training', 'list');
    assert.match(list, /^NAME +STATUS +RUNS IN +TYPE +METRICS +TOOK +COST/m);
    assert.match(list, /^shown +Completed +no environment +local\.1 +accuracy=1\.02/m);
    const { stdout: described } = await cli('training', 'describe', 'shown');
    assert.match(described, /^variables +TOKEN$/m);
    assert.match(described, /^model +s3:\/\/penstock-training\/shown\/output\/model\.tar\.gz$/m);
    assert.match(described, /Training +.* Training image download completed\. Training in progress\./);
    assert.doesNotMatch(described, /secret-value/);
    const { stdout: log } = await cli('training', 'logs', 'shown');
    assert.match(log, /^3 lines\nepoch=1 validation-accuracy=0\.9100\n(?:.*\n)*epoch=12 validation-accuracy=1\.0200\n/);
    assert.equal((await cli('training', 'logs', '-f', 'shown')).stdout, log);
    const { stdout: metrics } = await cli('training', 'metrics', 'shown');
    assert.match(metrics, /^accuracy +[▁▂▃▄▅▆▇█]{3,4} +[\d.]+ +[\d.]+ +[\d.]+ +[34] /m);
    const { stdout: costs } = await cli('costs', '--training');
    assert.match(costs, /^shown +local\.1 +\d+ s +\d+ s +\$[\d.]+$/m);
    assert.match(costs, /^total +\d+ s/m);
  });

  test('Ctrl-C detaches, a second one stops the job', async () => {
    writeFileSync(join(folder, 'slow.py'), 'import time\nprint("slow", flush=True)\ntime.sleep(600)\n');
    const begun = ['train', 'slow.py', '--environment', 'none', '--name'];
    const interrupted = async (name: string, times: number): Promise<string> => {
      const child = spawn(penstock, [...begun, name], { env: environment(), cwd: folder });
      let stderr = '';
      child.stderr.on('data', (chunk) => (stderr += String(chunk)));
      const ended = new Promise((resolve) => child.on('close', resolve));
      await until(`${name} prints`, async () => {
        const { body, status } = await server.call<TrainingLogBody>('GET', `/training-jobs/${name}/logs`);
        return status === 200 && body.items.length > 0;
      });
      child.kill('SIGINT');
      await until('it says so', () => stderr.includes('Ctrl-C again'));
      if (times === 2) child.kill('SIGINT');
      assert.equal(await ended, 1);
      return stderr;
    };
    assert.match(
      await interrupted('left', 1),
      /left: detached, it continues.*\nfollow it with penstock training logs -f left; Ctrl-C again within 2 s stops it\n$/,
    );
    assert.equal((await server.callWell<TrainingJobBody>('GET', '/training-jobs/left')).status, 'InProgress');
    assert.match((await cli('training', 'stop', 'left')).stdout, /^left is Stop/);
    assert.equal((await over('left')).status, 'Stopped');
    // Only now: on a machine with two cores, one of them is reserved for serving, so a second job waits.
    assert.match(await interrupted('ended', 2), /stopping ended: /);
    assert.equal((await over('ended')).status, 'Stopped');
  });

  test('a failed job says why, and the command fails', async () => {
    writeFileSync(join(folder, 'bad.py'), 'raise ValueError("the rows are empty")\n');
    await assert.rejects(
      cli('train', 'bad.py', '--environment', 'none', '--name', 'bad'),
      (error: { code: number; stderr: string; stdout: string }) => {
        assert.equal(error.code, 1);
        assert.match(error.stderr, /bad is Failed: .*the rows are empty.*; see penstock training logs bad/);
        assert.equal(error.stdout, '');
        return true;
      },
    );
  });

  test('mistakes that the command line can detect are errors before anything is sent', async () => {
    mkdirSync(join(folder, 'code'), { recursive: true });
    writeFileSync(join(folder, 'code', 'fit.py'), '');
    for (const [argv, message, code] of [
      [['train', 'nothing.py'], /there is no file or folder nothing\.py/, 1],
      [['train', 'code'], /code has no train\.py: name its script with --entry \(it has fit\.py\)/, 2],
      [['train', 'train.py', '--entry', 'x.py'], /--entry is for a folder/, 2],
      [['train', 'train.py', '--data', 'nowhere'], /there is no file or folder nowhere/, 1],
      [['train', 'train.py'], /there is no environment sklearn: create it with penstock environments create sklearn, or name another/, 1],
      [['train', 'train.py', '--approve-if-better', 'accuracy'], /--approve-if-better needs --group/, 2],
      [['train', 'train.py', '--max-runtime', 'long'], /duration 'long' is not understood/, 2],
      [['fit', 'train.py'], /unknown verb 'fit': did you mean `penstock train`/, 2],
      [['training', 'ls'], /unknown verb 'ls': did you mean `penstock training list`/, 2],
      [['reproduce', 'digits'], /'digits' is not a model version/, 2],
    ] as const) {
      await assert.rejects(cli(...argv), (error: { code: number; stderr: string }) => {
        assert.match(error.stderr, message);
        assert.equal(error.code, code, argv.join(' '));
        return true;
      });
    }
  });

  test('a job starts again from another one, is stopped, and deleted when it is over', async () => {
    await shell('once', 'echo "$GREETING $TRAINING_JOB_NAME"', { environment_variables: { GREETING: 'hello' } });
    assert.equal((await over('once')).status, 'Completed');
    await server.callWell('POST', '/training-jobs', { from: 'once', name: 'again', priority: 3 });
    const again = await over('again');
    assert.deepEqual([again.status, again.priority, again.environment_variables], ['Completed', 3, ['GREETING']]);
    const { items } = await server.callWell<TrainingLogBody>('GET', '/training-jobs/again/logs');
    assert.deepEqual(
      items.map(({ line }) => line),
      ['hello again'],
    );
    await shell('endless', 'while :; do sleep 1; done');
    const refused = await server.call<Refusal>('DELETE', '/training-jobs/endless');
    assert.deepEqual([refused.status, refused.body.code], [409, 'wrong_state']);
    await server.callWell('POST', '/training-jobs/endless/stop', {});
    assert.equal((await over('endless')).status, 'Stopped');
    await server.callWell('DELETE', '/training-jobs/endless');
    assert.equal((await server.call('GET', '/training-jobs/endless')).status, 404);
  });

  test('the changes of a job are a stream of events, and its output a stream of lines that ends with it', async () => {
    await shell('streamed', 'for i in 1 2 3; do echo $i; sleep 0.1; done');
    const lines = await (await fetch(`${server.url}/api/v1/training-jobs/streamed/logs?follow=true`)).text();
    const printed = [...lines.matchAll(/^data: (.*)$/gm)].map(
      ([, text = '']) => (JSON.parse(text) as TrainingLogBody['items'][number]).line,
    );
    assert.deepEqual(printed, ['1', '2', '3']);
    await over('streamed');
    const cancellation = new AbortController();
    const { body } = await fetch(`${server.url}/api/v1/training-jobs/streamed/events`, { signal: cancellation.signal });
    const kinds: string[] = [];
    let text = '';
    for await (const chunk of (body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
      text += chunk;
      kinds.splice(
        0,
        kinds.length,
        ...[...text.matchAll(/^data: (.*)\n\n/gm)].map(([, json = '']) => (JSON.parse(json) as EventBody).kind),
      );
      if (kinds.includes('training.completed')) break;
    }
    cancellation.abort();
    assert.deepEqual(kinds, ['training.starting', 'training.downloading', 'training.training', 'training.uploading', 'training.completed']);
  });

  test('jobs without a name that are created at once each get one', async () => {
    const spec = { environment: null, command: ['/bin/sh', '-c', 'true'], group: 'crowd' };
    const crowd = Array.from({ length: 12 }, () => server.callWell<TrainingJobBody>('POST', '/training-jobs', spec));
    const names = (await Promise.all(crowd)).map(({ name }) => name);
    assert.deepEqual(names.toSorted(), Array.from({ length: 12 }, (_, at) => `crowd-${at + 1}`).toSorted());
  });

  test('sources of rejected jobs do not use up the limit', async () => {
    const archive = execFileSync('tar', ['-c', 'train.py'], { cwd: folder });
    for (let at = 0; at < 105; at++) {
      const form = new FormData();
      form.append('spec', '{"name":"no source needed","entry":"train.py"}');
      form.append('source', new Blob([Uint8Array.from(archive)]), 's.tar');
      const response = await fetch(`${server.url}/api/v1/training-jobs`, { method: 'POST', body: form });
      assert.equal(response.status, 400, await response.text());
    }
  });

  test('a malformed request is rejected with what was expected, and leaves no data', async () => {
    const post = async (...parts: (readonly [string, string | Blob, string?])[]) => {
      const form = new FormData();
      for (const [name, value, file] of parts) {
        if (file === undefined || typeof value === 'string') form.append(name, value);
        else form.append(name, value, file);
      }
      const response = await fetch(`${server.url}/api/v1/training-jobs`, { method: 'POST', body: form });
      return [response.status, ((await response.json()) as Refusal).error] as const;
    };
    const spec = ['spec', '{"name":"malformed","environment":null,"command":["true"]}'] as const;
    const text = new Blob(['not an archive']);
    for (const [parts, message] of [
      [[['source', text, 's.tar']], /expected the part spec first, got 'source'/],
      [[['spec', '{']], /the spec of the training job is not JSON/],
      [[['spec', '{"names":1}']], /spec: .*names/],
      [[['spec', 'x'.repeat(1024 * 1024 + 1)]], /the spec of the training job is larger than 1048576 bytes/],
      [[spec, ['source', text, 's.tar']], /tar archive is damaged/],
      [[spec, ['data.train', text, 'd.tar']], /tar archive is damaged/],
      [[spec, ['data.train', text, '../x']], /'\.\.\/x' is not the path of a file/],
      [[spec, ['data...', text, 'x']], /channel/],
      [[spec, ['data.a', text, 'x'], ['data.a', text, 'y']], /two parts are data of channel 'a'/],
      [[spec, ['other', 'x']], /unexpected part 'other'/],
      [[['spec', '{"from":"nothing"}']], /nothing/],
      [[['spec', '{"name":"processing.a","environment":null,"command":["true"]}']], /invalid training job name 'processing\.a'/],
      [[['spec', '{"from":"processing.a"}']], /there is no training job 'processing\.a'/],
    ] as const) {
      const [status, error] = await post(...parts);
      assert(status >= 400 && status < 500, `${status} ${error}`);
      assert.match(error, message);
    }
    assert.equal((await server.call('GET', '/training-jobs/malformed')).status, 404);
    const listed = await server.callWell<{ items: TrainingJobBody[] }>('GET', '/training-jobs?name=malformed');
    assert.deepEqual(listed.items, []);
  });

  test('a processing job is not reached as a training job, whose routes would delete it', async () => {
    const [id = '', secret = ''] = server.adminKey.split(':');
    const members = {
      ProcessingJobName: 'apart',
      AppSpecification: { ImageUri: 'penstock/python:default', ContainerEntrypoint: ['/bin/sh', '-c', 'echo processed'] },
      ProcessingResources: { ClusterConfig: { InstanceType: 'ml.m5.large', InstanceCount: 1, VolumeSizeInGB: 1 } },
      RoleArn: 'arn:aws:iam::000000000000:role/any',
    };
    const request = json('SageMaker.CreateProcessingJob', members);
    const created = await sendSigned(server.url, { key: { id, secret }, service: 'sagemaker', ...request });
    assert.equal(created.status, 200, created.body);
    await until('it is over', async () => {
      const { status } = await server.callWell<{ status: string }>('GET', '/processing-jobs/apart');
      return status === 'Completed';
    });
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/logs'],
      ['GET', '/metrics'],
      ['GET', '/events'],
      ['POST', '/stop'],
      ['DELETE', ''],
    ] as const) {
      for (const name of ['processing.apart', 'Processing.apart']) {
        const { status } = await server.call(method, `/training-jobs/${name}${path}`, method === 'POST' ? {} : undefined);
        assert.equal(status, 404, `${method} ${name}${path}`);
      }
    }
    assert.equal((await server.callWell<{ status: string }>('GET', '/processing-jobs/apart')).status, 'Completed');
  });
});
