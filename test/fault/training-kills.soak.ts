/**
 * Kills the server at a random moment of each of 30 training jobs of 20 s: `npm run soak:training-kills`. Every job completes with the same
 * process of its script, each line of its output once, each event once and in order, and exactly one version. Then kills the script of a
 * job, its supervisor, both, and both with the server: the next attempt goes on from the last checkpoint.
 */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import type { EventBody, TrainingJobBody, TrainingLogBody, VersionBody } from '../../src/api/index.ts';
import { readTaskFile } from '../../src/providers/tasks/task-plan.ts';
import { SeededRandom } from '../../src/random.ts';
import { until } from '../end-to-end/poll.ts';
import { Server, temporaryDirectory } from '../end-to-end/server.ts';
import { modelPath } from '../models/index.ts';
import { processesWith } from '../processes/index.ts';

const killsCount = Number(process.env['KILLS'] ?? 30);
/** Servers side by side, each with one job after the other. */
const serversCount = 6;
const linesCount = 200;
const jobMs = 100 * linesCount;
const script = `for i in $(seq 1 ${linesCount}); do echo line $i; sleep 0.1; done; cp "\${SAGEMAKER_BASE_DIR:-/opt/ml}"/input/data/model/* "\${SAGEMAKER_BASE_DIR:-/opt/ml}"/model/`;
const kinds = ['starting', 'downloading', 'training', 'uploading', 'completed'].map((kind) => `training.${kind}`);

interface Killed {
  readonly afterMs: number;
  readonly status: string;
}

async function create(server: Server, name: string): Promise<void> {
  const form = new FormData();
  form.append('spec', JSON.stringify({ name, group: name, environment: null, command: ['/bin/sh', '-c', script] }));
  form.append('data.model', new Blob([readFileSync(modelPath('digits_mlp'))]), 'model.onnx');
  const response = await fetch(`${server.url}/api/v1/training-jobs`, { method: 'POST', body: form });
  assert.equal(response.status, 202, await response.text());
}

const read = (server: Server, name: string): Promise<TrainingJobBody> => server.callWell('GET', `/training-jobs/${name}`);

/** The process of the script: the oldest one that has the name of the job. */
const pidOf = (name: string): number | undefined => processesWith('TRAINING_JOB_NAME', name).toSorted((a, b) => a - b)[0];

async function check(server: Server, name: string): Promise<void> {
  const job = await until(
    `${name} is over`,
    async () => {
      const now = await read(server, name);
      return now.status !== 'InProgress' && now;
    },
    2 * jobMs + 60_000,
  );
  assert.deepEqual([job.status, job.reason, job.attempt, job.version], ['Completed', null, 1, `${name}/1`]);
  const { items } = await server.callWell<TrainingLogBody>('GET', `/training-jobs/${name}/logs`);
  assert.deepEqual(
    items.map(({ line }) => line),
    Array.from({ length: linesCount }, (_, at) => `line ${at + 1}`),
  );
  const events = await server.callWell<{ items: EventBody[] }>('GET', `/events/recent?limit=100&kind=training&subject=${name}`);
  assert.deepEqual(
    events.items.map(({ kind }) => kind),
    kinds.toReversed(),
  );
  const versions = await server.callWell<{ items: VersionBody[] }>('GET', `/groups/${name}/versions`);
  assert.equal(versions.items.length, 1);
}

/** One server directory with `count` jobs one after the other. */
async function killJobs(worker: number, count: number): Promise<Killed[]> {
  const random = new SeededRandom(1000 + worker);
  const dataDir = temporaryDirectory();
  const killed: Killed[] = [];
  let server = await Server.start({ dataDir });
  try {
    for (let number = 0; number < count; number++) {
      const name = `kill-${worker}-${number}`;
      await create(server, name);
      const afterMs = random.next() * (jobMs + 500);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      const { status, secondary_status: detail } = await read(server, name);
      const before = pidOf(name);
      server.signal('SIGKILL');
      await server.ended;
      const left = pidOf(name);
      server = await Server.start({ dataDir });
      if (detail === 'Training' && left !== undefined) assert.equal(left, before, 'the process of the script lives on');
      killed.push({ afterMs, status: status === 'InProgress' ? detail : status });
      await check(server, name);
    }
    return killed;
  } finally {
    await server.end();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

test(`${killsCount} training jobs survive kill -9 of their server`, { timeout: 1_800_000 }, async (t) => {
  const counts = Array.from(
    { length: serversCount },
    (_, at) => Math.floor(killsCount / serversCount) + (at < killsCount % serversCount ? 1 : 0),
  );
  const all = (await Promise.all(counts.map((count, worker) => killJobs(worker, count)))).flat();
  assert.equal(all.length, killsCount);
  const byStatus = Map.groupBy(all, ({ status }) => status);
  t.diagnostic(`killed ${[...byStatus].map(([status, those]) => `${those.length} in ${status}`).join(', ')}`);
});

/** Counts in a checkpoint, four seconds each, up to 40; a further attempt goes on for eight seconds only. Checkpoints are stored each 30 s. */
const resumable = `base=\${SAGEMAKER_BASE_DIR:-/opt/ml}/checkpoints; n=0; most=40; [ -f $base/n ] && n=$(cat $base/n) && most=$((n + 2))
echo from $n; while [ $n -lt $most ]; do n=$((n + 1)); echo $n > $base/part; mv $base/part $base/n; sleep 4; done`;

describe('a job with checkpoints', { concurrency: 4 }, () => {
  for (const victims of [['script'], ['supervisor'], ['script', 'supervisor'], ['script', 'supervisor', 'server']] as const) {
    for (const retries of [2, 0]) {
      const title = `a job whose ${victims.join(', ')} ${victims.length === 1 ? 'is' : 'are'} killed ${retries === 0 ? 'fails without retries' : 'goes on from its checkpoint'}`;
      test(title, { timeout: 240_000 }, async (t) => {
        const dataDir = temporaryDirectory();
        let server = await Server.start({ dataDir });
        try {
          const spec = {
            name: 'resumed',
            environment: null,
            command: ['/bin/sh', '-c', resumable],
            retries,
            checkpoints: 's3://penstock-training/checkpoints',
          };
          await server.callWell('POST', '/training-jobs', spec);
          const folder = join(dataDir, 'training/resumed/1');
          const claim = await until('the script runs', () => {
            const claimed = readTaskFile(folder, 'claim');
            return claimed !== null && claimed.commandPid !== null && claimed;
          });
          const stored = (): Promise<boolean> => hasCheckpoint(server);
          await until('a checkpoint is stored', stored, 60_000);
          const killedMs = performance.now();
          for (const victim of victims) {
            if (victim === 'server') {
              server.signal('SIGKILL');
              await server.ended;
            } else process.kill(victim === 'script' ? Number(claim.commandPid) : claim.pid, 'SIGKILL');
          }
          if (victims.includes('server' as never)) server = await Server.start({ dataDir });
          const after = await until(
            'the next attempt runs, or the job has failed',
            async () => {
              const job = await read(server, 'resumed');
              return (job.status === 'Failed' || (job.attempt === 2 && job.secondary_status === 'Training')) && job;
            },
            120_000,
          );
          t.diagnostic(`${((performance.now() - killedMs) / 1000).toFixed(1)} s after the kill: attempt ${after.attempt}, ${after.status}`);
          if (retries === 0) {
            assert.equal(after.status, 'Failed');
            assert.match(
              after.reason ?? '',
              /^InternalServerError: the task was lost once: .*Its checkpoints are at s3:\/\/penstock-training\/checkpoints/,
            );
            return;
          }
          assert.deepEqual([after.status, after.attempt], ['InProgress', 2]);
          const job = await until(
            'the job is over',
            async () => {
              const now = await read(server, 'resumed');
              return now.status !== 'InProgress' && now;
            },
            120_000,
          );
          assert.deepEqual([job.status, job.attempt], ['Completed', 2]);
          const { items } = await server.callWell<TrainingLogBody>('GET', '/training-jobs/resumed/logs');
          const begins = items.map(({ line }) => line).filter((line) => line.startsWith('from '));
          assert.equal(begins.length, 2);
          assert.notEqual(begins[1], 'from 0');
        } finally {
          await server.end();
          rmSync(dataDir, { recursive: true, force: true });
        }
      });
    }
  }
});

async function hasCheckpoint(server: Server): Promise<boolean> {
  const [accessKeyId = '', secretAccessKey = ''] = server.adminKey.split(':');
  const s3 = new S3Client({
    endpoint: server.url,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
  });
  try {
    const listed = await s3.send(new ListObjectsV2Command({ Bucket: 'penstock-training', Prefix: 'checkpoints/' }));
    return (listed.KeyCount ?? 0) > 0;
  } finally {
    s3.destroy();
  }
}
