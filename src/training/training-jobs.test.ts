/** Jobs of /bin/sh, from their creation to their end. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { TrainingFixture } from '../../test/training-fixture.ts';
import { PlatformError } from '../errors.ts';
import type { TrainingJob } from './training-job.ts';

const messagesOf = (job: TrainingJob): string[] => job.transitions.map(({ status, message }) => `${status}: ${message}`);

describe('a training job', { timeout: 120_000 }, () => {
  let fixture: TrainingFixture;
  before(async () => {
    fixture = await TrainingFixture.open();
  });
  after(() => fixture?.end());

  test('runs a command, uploads its model, and registers it as the next version of its group', async () => {
    await fixture.put('rows/a.csv', '1,2\n');
    const script = 'cat $ML/input/data/train/a.csv; echo loss=0.25; echo loss=0.125; cp $ML/input/data/train/a.csv $ML/model/model.onnx';
    const channel = { kind: 's3', bucket: 'team', prefix: 'rows/' } as const;
    const job = await fixture.run('digits-1', script, {
      channels: [
        {
          name: 'train',
          source: channel,
          isGzip: false,
          contentType: null,
          shuffleSeed: null,
          recordWrapper: 'None',
          distribution: 'FullyReplicated',
        },
      ],
      hyperparameters: { C: '0.5', token: 'hidden' },
      metrics: [{ name: 'loss', regex: 'loss=([0-9.]+)' }],
      group: 'digits',
    });
    assert.equal(job.failureReason, null);
    assert.deepEqual([job.status, job.version, job.attempt, job.notes], ['Completed', 'digits/1', 1, []]);
    assert.deepEqual(messagesOf(job), [
      'Starting: Preparing the instances for training',
      'Downloading: Downloading input data',
      'Training: Training image download completed. Training in progress.',
      'Uploading: Uploading generated training model',
      'Completed: Training job completed',
    ]);
    assert.deepEqual(
      job.metrics.map(({ name, value }) => [name, value]),
      [['loss', 0.125]],
    );
    assert.deepEqual(await fixture.lines('digits-1'), ['1,2', 'loss=0.25', 'loss=0.125']);
    assert.equal(job.artifactUri, 's3://team/out/digits-1/output/model.tar.gz');
    assert.deepEqual(await fixture.archive('out/digits-1/output/model.tar.gz'), { 'model.onnx': '1,2\n' });
    const version = await fixture.control.registry.version('digits', 1);
    assert.equal(version.approval, 'PendingManualApproval');
    assert.deepEqual(version.metrics, { loss: 0.125 });
    const lineage = JSON.parse(version.metadata['lineage'] ?? '') as Record<string, unknown>;
    assert.deepEqual(lineage['hyperparameters'], { C: 0.5, token: '***' });
    assert.deepEqual(Object.keys(lineage['data'] as object), ['train']);
    assert.ok(job.usage !== null && job.usage.seconds >= 1 && job.usage.usd > 0);
    const account = fixture.ledger.variants().find(({ endpoint }) => endpoint === 'training:digits-1');
    const relative = (account?.usage.instanceUsd ?? 0) / job.usage.usd;
    assert.ok(Math.abs(relative - 1) < 0.01, `charged ${relative} of its usage`);
  });

  test('reports each change of its status once, in order', async () => {
    const seen = (await fixture.kinds()).length;
    await fixture.run('events-1', 'true');
    const kinds = ['starting', 'downloading', 'training', 'uploading', 'completed'].map((kind) => `training.${kind}`);
    assert.deepEqual((await fixture.kinds()).slice(seen), kinds);
  });

  test('fails with the exit code and the last lines of stderr', async () => {
    const job = await fixture.run('fails-1', 'echo out; echo "no rows" >&2; exit 3');
    assert.deepEqual([job.status, job.failureReason], ['Failed', 'AlgorithmError: no rows, exit code: 3']);
    assert.deepEqual([job.version, job.artifactUri], [null, null]);
  });

  test('fails with what the script wrote to output/failure', async () => {
    const job = await fixture.run('fails-2', 'echo "bad learning rate" > $ML/output/failure; exit 1');
    assert.equal(job.failureReason, 'AlgorithmError: bad learning rate, exit code: 1');
  });

  test('fails if its data is missing, naming the channel', async () => {
    const source = { kind: 's3', bucket: 'team', prefix: 'nowhere/' } as const;
    const rest = { isGzip: false, contentType: null, shuffleSeed: null, recordWrapper: 'None', distribution: 'FullyReplicated' } as const;
    const job = await fixture.run('data-1', 'true', { channels: [{ name: 'train', source, ...rest }] });
    assert.equal(
      job.failureReason,
      'ClientError: Data download failed: No S3 objects found under S3 URL "s3://team/nowhere/" given in input data source "train".',
    );
    assert.deepEqual(messagesOf(job).slice(-2), ['Downloading: Downloading input data', 'Failed: Training job failed']);
  });

  test('unpacks gzip channels', async () => {
    await fixture.put('zipped/a.csv.gz', gzipSync('7,8\n'));
    const source = { kind: 's3', bucket: 'team', prefix: 'zipped' } as const;
    const rest = { contentType: null, shuffleSeed: null, recordWrapper: 'None', distribution: 'FullyReplicated' } as const;
    const job = await fixture.run('zip-1', 'cat $ML/input/data/train/a.csv', {
      channels: [{ name: 'train', source, isGzip: true, ...rest }],
    });
    assert.equal(job.failureReason, null);
    assert.deepEqual(await fixture.lines('zip-1'), ['7,8']);
  });

  test('is stopped with SIGTERM, and uploads what there is, but registers nothing', async () => {
    const script = 'trap "echo saved > $ML/model/m; exit 0" TERM; echo ready; while true; do sleep 0.05; done';
    await fixture.training.create(fixture.spec('stop-1', script, { group: 'stopped' }), 'tester');
    await fixture.printed('stop-1', 'ready');
    await fixture.training.stop('stop-1', 'tester');
    assert.equal((await fixture.training.stop('stop-1', 'tester')).status, 'Stopping');
    const job = await fixture.over('stop-1');
    assert.deepEqual([job.status, job.secondaryStatus, job.version], ['Stopped', 'Stopped', null]);
    assert.deepEqual(messagesOf(job).slice(-3), [
      'Stopping: Stopping the training job',
      'Uploading: Uploading generated training model',
      'Stopped: Training job stopped',
    ]);
    assert.deepEqual(await fixture.archive('out/stop-1/output/model.tar.gz'), { m: 'saved\n' });
    await assert.rejects(fixture.training.stop('stop-1', 'tester'), /rejected because the training job is in status Stopped\./);
  });

  test('that ignores SIGTERM is killed after its grace period', async () => {
    const script = 'trap "" TERM; echo ready; while true; do sleep 0.05; done';
    await fixture.training.create(fixture.spec('deaf-1', script), 'tester');
    await fixture.printed('deaf-1', 'ready');
    await fixture.training.stop('deaf-1', 'tester');
    assert.equal((await fixture.over('deaf-1')).status, 'Stopped');
  });

  test('ends when its running time is over', async () => {
    const script = 'echo a > $ML/model/m; while true; do sleep 0.05; done';
    // On a busy machine, a second may end before the script has written.
    for (let maxRuntimeMs = 1000; ; maxRuntimeMs *= 4) {
      const job = await fixture.run(`late-${maxRuntimeMs}`, script, { maxRuntimeMs });
      assert.deepEqual([job.status, job.secondaryStatus], ['Stopped', 'MaxRuntimeExceeded']);
      const model = await fixture.archive(`out/late-${maxRuntimeMs}/output/model.tar.gz`);
      if (Object.keys(model).length === 0 && maxRuntimeMs < 16_000) continue;
      assert.deepEqual(model, { m: 'a\n' });
      return;
    }
  });

  test('begins again from its checkpoints if its process is killed', async () => {
    const checkpoints = { bucket: 'team', prefix: 'checkpoints/kill-1', path: '/opt/ml/checkpoints' };
    const script = 'cd $ML/checkpoints; if [ -f c ]; then cat c; exit 0; fi; echo step1 > c; kill -9 $$';
    const job = await fixture.run('kill-1', script, { checkpoints });
    assert.equal(job.failureReason, null);
    assert.deepEqual([job.status, job.attempt], ['Completed', 2]);
    assert.deepEqual(await fixture.lines('kill-1'), ['step1']);
    assert.ok(messagesOf(job).includes('Restarting: Restarting training: the task was lost (attempt 2 of 3)'));
    assert.equal((await fixture.read('checkpoints/kill-1/c'))?.toString(), 'step1\n');
  });

  test('fails once its attempts are used up', async () => {
    const job = await fixture.run('kill-2', 'kill -9 $$', { retries: 1 });
    assert.deepEqual([job.status, job.attempt], ['Failed', 2]);
    assert.equal(job.failureReason, 'InternalServerError: the task was lost 2 times: its process was killed (SIGKILL).');
  });

  test('that makes no model is completed, and a note says what was expected', async () => {
    const job = await fixture.run('empty-1', 'true', { group: 'empty' });
    assert.deepEqual([job.status, job.version], ['Completed', null]);
    assert.match(job.notes.join(), /no version of empty was registered, because the model is empty: expected exactly one \.onnx file/);
  });

  test('leaves out links to the outside, FIFOs and sockets, with a note', async () => {
    const socket = `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'`;
    const job = await fixture.run('links-1', `cd $ML/model; echo a > a; ln -s a inside; ln -s /etc/passwd outside; mkfifo pipe; ${socket}`);
    assert.deepEqual(await fixture.archive('out/links-1/output/model.tar.gz'), { a: 'a\n', inside: 'a\n' });
    assert.match(job.notes.join(), /"outside" is a link out of the folder and was left out/);
    assert.match(job.notes.join(), /"socket" is not a file \(a FIFO, socket or device\) and was left out/);
    assert.match(job.notes.join(), /"pipe" is not a file \(a FIFO, socket or device\) and was left out/);
  });

  test('uploads nothing if the script replaced the model folder by a link', async () => {
    const job = await fixture.run('links-2', 'rmdir $ML/model; ln -s /etc $ML/model');
    assert.equal(job.status, 'Completed');
    assert.deepEqual(await fixture.archive('out/links-2/output/model.tar.gz'), {});
  });

  test('uploads files one by one if the output is not packed, and other output as an archive', async () => {
    const output = { bucket: 'team', prefix: 'plain/', isPacked: false };
    const job = await fixture.run('plain-1', 'mkdir $ML/model/d; echo a > $ML/model/d/a; echo t > $ML/output/data/t', { output });
    assert.equal(job.artifactUri, 's3://team/plain/plain-1/output/model/');
    assert.equal((await fixture.read('plain/plain-1/output/model/d/a'))?.toString(), 'a\n');
    assert.deepEqual(await fixture.archive('plain/plain-1/output/output.tar.gz'), { t: 't\n' });
  });

  test('makes the same bytes of the same model', async () => {
    const script = 'mkdir $ML/model/z; echo b > $ML/model/z/b; echo a > $ML/model/a';
    for (const name of ['same-1', 'same-2']) await fixture.run(name, script);
    assert.deepEqual(await fixture.read('out/same-1/output/model.tar.gz'), await fixture.read('out/same-2/output/model.tar.gz'));
  });

  test('keeps lines that are not text apart from its metrics', async () => {
    const script = `printf 'acc=nan\\nacc=1e309\\n\\033[31macc=0.5\\033[0m\\n\\377\\000x\\n'; head -c 400000 /dev/zero | tr '\\0' a; echo`;
    const job = await fixture.run('lines-1', script, { metrics: [{ name: 'acc', regex: 'acc=([^\\s\\x1b]+)' }] });
    assert.deepEqual(
      job.metrics.map(({ value }) => value),
      [0.5],
    );
    const lines = await fixture.lines('lines-1');
    assert.ok(lines.every((line) => Buffer.byteLength(line) <= 256 * 1024));
    assert.deepEqual(lines.slice(2, 4), ['\u001b[31macc=0.5\u001b[0m', '\ufffd\\x00x']);
    assert.equal(lines.slice(4).join('').length, 400_000);
  });

  test('is deleted with its log once it is over, and its name is free again', async () => {
    await fixture.run('gone-1', 'echo old; echo m > $ML/model/m');
    await fixture.training.delete('GONE-1', 'tester');
    assert.equal(await fixture.training.find('gone-1'), null);
    assert.equal(fixture.hasFolder('gone-1'), false);
    assert.notEqual(await fixture.read('out/gone-1/output/model.tar.gz'), null);
    await fixture.run('gone-1', 'echo new');
    assert.deepEqual(await fixture.lines('gone-1'), ['new']);
  });

  test('cannot be deleted while it runs, and two of one name cannot be created', async () => {
    await fixture.training.create(fixture.spec('busy-1', 'echo ready; sleep 60'), 'tester');
    await assert.rejects(fixture.training.delete('busy-1', 'tester'), /The training job busy-1 is InProgress: stop it first\./);
    await assert.rejects(fixture.training.create(fixture.spec('Busy-1', 'true'), 'tester'), /already exists/);
    await fixture.training.stop('busy-1', 'tester');
    await fixture.over('busy-1');
  });

  test('of one name is created once, by however many calls at once', async () => {
    const calls = ['once-1', 'ONCE-1', 'Once-1', 'once-1'].map((name) => fixture.training.create(fixture.spec(name, 'true'), 'tester'));
    const results = await Promise.allSettled(calls);
    assert.deepEqual(
      results.map((result) => (result.status === 'fulfilled' ? 'created' : (result.reason as { code: string }).code)).toSorted(),
      ['already_exists', 'already_exists', 'already_exists', 'created'],
    );
    assert.equal((await fixture.over('once-1')).status, 'Completed');
  });

  test('is listed by filter, in pages', async () => {
    const first = await fixture.training.list({ nameContains: 'same', limit: 1 });
    assert.deepEqual(
      first.map(({ spec }) => spec.name),
      ['same-2'],
    );
    const after = [(first[0] as TrainingJob).createdAtMs, 'same-2'] as const;
    const second = await fixture.training.list({ nameContains: 'same', limit: 9, after });
    assert.deepEqual(
      second.map(({ spec }) => spec.name),
      ['same-1'],
    );
    const failed = await fixture.training.list({ status: 'Failed', sortBy: 'name_key', descending: false, limit: 100 });
    assert.deepEqual(failed.map(({ spec }) => spec.name).slice(0, 3), ['data-1', 'fails-1', 'fails-2']);
  });

  test('counts the names of its group', async () => {
    assert.equal(await fixture.training.nextName('digits'), 'digits-2');
    assert.equal(await fixture.training.nextName('unknown'), 'unknown-1');
  });
});

describe('creating a training job is rejected', { timeout: 60_000 }, () => {
  let fixture: TrainingFixture;
  before(async () => {
    fixture = await TrainingFixture.open({ config: { jobsMax: 2 }, cores: 2 });
  });
  after(() => fixture?.end());

  const rows: readonly [string, Parameters<TrainingFixture['spec']>[2], RegExp][] = [
    ['a bucket that does not exist', { output: { bucket: 'absent', prefix: '', isPacked: true } }, /there is no bucket 'absent'/],
    ['an unknown environment', { environment: 'other' }, /there is no environment 'other'/],
    ['an unknown instance type', { instanceType: 'local.3' }, /unknown instance type "local\.3"/],
    [
      'look-ahead',
      { metrics: [{ name: 'acc', regex: '(?=x)' }] },
      /regex '\(\?=x\)' of 'acc' cannot be used: look-ahead is not supported\./,
    ],
    ['look-behind', { metrics: [{ name: 'acc', regex: '(?<=x)(a)' }] }, /look-behind is not supported/],
    ['a pattern without a group', { metrics: [{ name: 'acc', regex: 'acc' }] }, /it has no capture group/],
    [
      'a source that is gone',
      { command: null, entry: 'a.py', source: { sha256: 'a'.repeat(64) } },
      /there is no source aaaaaaaaaaaa: upload it again/,
    ],
  ];
  for (const [what, more, expected] of rows) {
    test(`for ${what}`, async () => {
      await assert.rejects(fixture.training.create(fixture.spec('wrong-1', 'true', more), 'tester'), expected);
      assert.equal(await fixture.training.find('wrong-1'), null);
    });
  }

  test('if too many wait', async () => {
    for (const name of ['a', 'b']) await fixture.training.create(fixture.spec(name, 'sleep 60'), 'tester');
    await assert.rejects(
      fixture.training.create(fixture.spec('c', 'true'), 'tester'),
      /The account-level service limit 'training jobs queued' is 2, with current utilization of 2 and a request delta of 1\./,
    );
  });

  test('and a waiting job says what it waits for, and stops at once', async () => {
    const waiting = await fixture.until('b', ({ transitions }) => transitions[0]?.message.startsWith('Waiting') === true);
    assert.equal(waiting.transitions[0]?.message, 'Waiting for capacity: 1 core wanted, 0 free beside serving');
    assert.equal((await fixture.training.stop('b', 'tester')).status, 'Stopped');
    await fixture.training.stop('a', 'tester');
    await fixture.over('a');
  });
});

describe('training jobs that share the machine', { timeout: 60_000 }, () => {
  let fixture: TrainingFixture;
  before(async () => {
    fixture = await TrainingFixture.open({ cores: 2 });
  });
  after(() => fixture?.end());
  const spot = { isSpot: true, maxRuntimeMs: 60_000, maxWaitMs: 120_000 };

  test('interrupt a spot job for another, and it goes on from its checkpoints', async () => {
    const script =
      'cd $ML/checkpoints; [ -f c ] && cat c && exit 0; trap "echo saved > c; exit 0" TERM; echo ready; while true; do sleep 0.05; done';
    const checkpoints = { bucket: 'team', prefix: 'spot', path: '/opt/ml/checkpoints' };
    await fixture.training.create(fixture.spec('spot-1', script, { ...spot, checkpoints }), 'tester');
    await fixture.printed('spot-1', 'ready');
    const urgent = await fixture.run('urgent-1', 'true');
    assert.equal(urgent.status, 'Completed');
    const job = await fixture.over('spot-1');
    assert.deepEqual([job.status, job.attempt, job.failureReason], ['Completed', 2, null]);
    const lines = (await fixture.lines('spot-1')).filter((line) => line !== 'Terminated'); // of the shell, about its sleep
    assert.deepEqual(lines, ['ready', 'saved']);
    const messages = messagesOf(job);
    assert.ok(messages.includes('Interrupted: Training job interrupted: its cores were wanted by serving'));
  });

  test('stop when their time from creation to end is over, also while they wait', async () => {
    await fixture.training.create(fixture.spec('holds-1', 'sleep 60'), 'tester');
    const waiting = fixture.spec('waits-1', 'true', { maxRuntimeMs: 1000, maxWaitMs: 1000 });
    const job = await fixture.runSpec(waiting);
    assert.deepEqual([job.status, job.secondaryStatus, job.startedAtMs, job.usage], ['Stopped', 'MaxWaitTimeExceeded', null, null]);
    await fixture.training.stop('holds-1', 'tester');
    await fixture.over('holds-1');
  });

  test('wait with their upload while the disk is full, and say so', async () => {
    const { buckets } = fixture;
    const put = buckets.put.bind(buckets);
    const full = new PlatformError('unavailable', 'the disk is full');
    buckets.put = () => Promise.reject(full);
    await fixture.training.create(fixture.spec('full-1', 'echo a > $ML/model/m'), 'tester');
    const waiting = await fixture.until('full-1', ({ transitions }) => transitions.at(-1)?.message.includes('disk') === true);
    const expected = 'Uploading generated training model: waiting to try again, because the disk is full';
    assert.equal(waiting.transitions.at(-1)?.message, expected);
    buckets.put = put;
    assert.equal((await fixture.over('full-1')).status, 'Completed');
    assert.deepEqual(await fixture.archive('out/full-1/output/model.tar.gz'), { m: 'a\n' });
  });

  test('fail if their model is larger than the limit, before anything of it is stored', async () => {
    const small = await TrainingFixture.open({ artifactLimitBytes: 1000 });
    try {
      const job = await small.run('large-1', 'head -c 100000 /dev/urandom > $ML/model/m');
      assert.equal(job.status, 'Failed');
      assert.match(job.failureReason ?? '', /AlgorithmError: model packs to more than the limit of 1000 bytes/);
      assert.equal(await small.read('out/large-1/output/model.tar.gz'), null);
    } finally {
      await small.end();
    }
  });

  test('end their children with their script', async () => {
    const job = await fixture.run('forks-1', '(sleep 300; echo late) & (setsid sleep 300) & echo m > $ML/model/m; exit 0');
    assert.equal(job.status, 'Completed');
    assert.deepEqual(await fixture.lines('forks-1'), []);
  });
});

describe('an isolated training job', { timeout: 60_000 }, () => {
  test('finds its data at /opt/ml, and neither the keys of the server nor other jobs nor other processes', async (context) => {
    const fixture = await TrainingFixture.open({ mode: process.getuid?.() === 0 ? 'root' : 'user' });
    try {
      const { isolation } = fixture.provider;
      if (isolation?.mode === 'unavailable') return context.skip(isolation.reason ?? 'no isolation works here');
      await fixture.put('rows/a.csv', '1,2\n');
      const source = { kind: 's3', bucket: 'team', prefix: 'rows/' } as const;
      const rest = { isGzip: false, contentType: null, shuffleSeed: null, recordWrapper: 'None', distribution: 'FullyReplicated' } as const;
      const other = fixture.spec('other-1', 'echo ready; sleep 60');
      await fixture.training.create(other, 'tester');
      await fixture.printed('other-1', 'ready');
      const seen = `cat /opt/ml/input/data/train/a.csv; cat ${fixture.directory}/keys.json; cat ${fixture.directory}/state.db; ls ${fixture.directory}/training/other-1; echo processes $(ls -d /proc/[0-9]* | wc -l); kill -9 1; echo m > /opt/ml/model/m`;
      const job = await fixture.run('own-1', seen, { channels: [{ name: 'train', source, ...rest }] });
      assert.deepEqual([job.status, job.failureReason], ['Completed', null]);
      const lines = await fixture.lines('own-1');
      assert.equal(lines.filter((line) => line.includes('No such file or directory')).length, 3, lines.join('\n'));
      assert.deepEqual(
        lines.filter((line) => line === '1,2'),
        ['1,2'],
      );
      const [, processes] = /^processes ([0-9]+)$/m.exec(lines.join('\n')) ?? [];
      assert.ok(Number(processes) < 10, `${processes} processes`);
      assert.deepEqual(await fixture.archive('out/own-1/output/model.tar.gz'), { m: 'm\n' });
      await fixture.training.stop('other-1', 'tester');
      await fixture.over('other-1');
    } finally {
      await fixture.end();
    }
  });
});

describe('a restarted server', { timeout: 60_000 }, () => {
  test('continues a job whose task it stopped with a new attempt', async () => {
    const first = await TrainingFixture.open();
    // It prints once its checkpoint is written, because it is stopped then.
    const script =
      '[ -f $ML/checkpoints/c ] && echo begin && exit 0; echo c > $ML/checkpoints/c; echo begin; while true; do sleep 0.05; done';
    const checkpoints = { bucket: 'team', prefix: 'c', path: '/opt/ml/checkpoints' };
    await first.training.create(first.spec('again-1', script, { checkpoints }), 'tester');
    await first.training.create(first.spec('again-2', 'echo two'), 'tester');
    await first.printed('again-1', 'begin');
    await first.over('again-2');
    await first.close();
    const second = await TrainingFixture.open({ directory: first.directory });
    try {
      const job = await second.over('again-1');
      assert.deepEqual([job.status, job.attempt, job.failureReason], ['Completed', 2, null]);
      assert.deepEqual(await second.lines('again-1'), ['begin', 'begin']);
    } finally {
      await second.end();
    }
  });
});
