/** A job that prints ten million lines: memory and disk of the server are bounded, the log says which limit applied, and every line is read. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { TrainingJobBody } from '../../src/api/index.ts';
import { json, sendSigned } from '../aws/signed-request.ts';
import { until } from './poll.ts';
import { Server } from './server.ts';

const linesCount = 10_000_000;
const mebibyte = 2 ** 20;
/** The output of the task: each of its lines has a time. */
const diskBytesMax = 1536 * mebibyte;
/** Most of it is garbage of the heap, which grows to this after the first million lines and stays there. */
const memoryBytesMax = 480 * mebibyte;

const rssBytes = (pid: number): number => 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
const diskBytes = (folder: string): number => 1024 * Number(execFileSync('du', ['-sk', folder], { encoding: 'utf8' }).split('\t')[0]);

test('a job that prints ten million lines', { timeout: 900_000 }, async (t) => {
  const server = await Server.start();
  t.after(() => server.end());
  const run = async (name: string, script: string): Promise<TrainingJobBody> => {
    const metrics = [{ name: 'accuracy', regex: 'accuracy=([0-9.]+)' }];
    await server.callWell('POST', '/training-jobs', { name, environment: null, command: ['/bin/sh', '-c', script], metrics });
    return until(
      `${name} is over`,
      async () => {
        mostDisk = Math.max(mostDisk, diskBytes(server.dataDir));
        mostMemory = Math.max(mostMemory, rssBytes(server.pid));
        const job = await server.callWell<TrainingJobBody>('GET', `/training-jobs/${name}`);
        return job.status !== 'InProgress' && job;
      },
      800_000,
    );
  };
  let [mostDisk, mostMemory] = [0, 0];
  await run('first', 'echo accuracy=0.1'); // what a first job loads
  const before = { disk: diskBytes(server.dataDir), memory: rssBytes(server.pid) };
  const job = await run('long', `yes | head -n ${linesCount}; echo accuracy=0.5; echo last >&2; exit 3`);
  assert.deepEqual([job.status, job.metrics.map(({ value }) => value)], ['Failed', [0.5]]);
  assert.match(job.reason ?? '', /^AlgorithmError: last, exit code: 3$/);
  assert(mostDisk - before.disk < diskBytesMax, `${(mostDisk - before.disk) / mebibyte} MiB on disk`);
  assert(mostMemory - before.memory < memoryBytesMax, `${(mostMemory - before.memory) / mebibyte} MiB of memory`);
  t.diagnostic(
    `${Math.round((mostDisk - before.disk) / mebibyte)} MiB on disk, ${Math.round((mostMemory - before.memory) / mebibyte)} MiB of memory`,
  );
  const [id = '', secret = ''] = server.adminKey.split(':');
  const logs = async <Answer>(operation: string, input: object): Promise<Answer> => {
    const request = json(`Logs_20140328.${operation}`, { logGroupName: '/aws/sagemaker/TrainingJobs', ...input });
    const reply = await sendSigned(server.url, { key: { id, secret }, service: 'logs', ...request });
    assert.equal(reply.status, 200, reply.body);
    return JSON.parse(reply.body) as Answer;
  };
  const described = await logs<{ logStreams: { logStreamName: string }[] }>('DescribeLogStreams', { logStreamNamePrefix: 'long/' });
  assert.equal(described.logStreams.length, 1);
  const { logStreamName } = described.logStreams[0] as { logStreamName: string };
  const { events } = await logs<{ events: { message: string }[] }>('GetLogEvents', { logStreamName, startFromHead: false, limit: 3 });
  const remark = 'the output of this job exceeds the 192 MiB that its log holds: further lines are read for metrics only. Print less';
  assert.deepEqual(
    events.map(({ message }) => message),
    ['y', 'y', remark],
  );
});
