/** Kills the server at random moments of a job: the job continues, and each line, event and version is there exactly once. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TrainingFixture } from '../../test/training-fixture.ts';
import { SeededRandom } from '../random.ts';

const serverPath = fileURLToPath(new URL('../../test/training-server.ts', import.meta.url));
const linesCount = 40;
const script = `echo pid $$; for i in $(seq 1 ${linesCount}); do echo line $i; sleep 0.1; done; echo m > $ML/model/model.onnx`;
const killsCount = 4;

test('a job survives kill -9 of its server at any moment', { timeout: 120_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-killed-'));
  const random = new SeededRandom(7);
  for (let kill = 0; kill < killsCount; kill++) {
    const server = spawn(process.execPath, [serverPath, directory, 'digits-1', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(server, 'exit');
    await Promise.race([once(server.stdout, 'data'), ended]);
    await new Promise((resolve) => setTimeout(resolve, random.next() * 800));
    server.kill('SIGKILL');
    await ended;
  }
  const fixture = await TrainingFixture.open({ directory });
  try {
    const job = await fixture.over('digits-1');
    const course = job.transitions.map(({ message }) => message).join('; ');
    assert.deepEqual([job.status, job.failureReason, job.attempt, job.version], ['Completed', null, 1, 'killed/1'], course);
    const [pid, ...lines] = await fixture.lines('digits-1');
    assert.match(pid ?? '', /^pid [0-9]+$/);
    assert.deepEqual(
      lines,
      Array.from({ length: linesCount }, (_, at) => `line ${at + 1}`),
    );
    // The first is known from a line that only the first server read.
    const values = Object.fromEntries(job.metrics.map((metric) => [metric.name, metric.value]));
    assert.deepEqual(values, { pid: Number(pid?.slice(4)), n: linesCount });
    const kinds = ['starting', 'downloading', 'training', 'uploading', 'completed'].map((kind) => `training.${kind}`);
    assert.deepEqual(await fixture.kinds(), kinds);
    assert.equal((await fixture.control.registry.versions('killed')).length, 1);
    // Also for the time in which no server ran.
    const { usd } = job.usage ?? { usd: Number.NaN };
    const chargedUsd = await fixture.chargedUsd('digits-1');
    assert(Math.abs(chargedUsd / usd - 1) < 0.01, `charged $${chargedUsd} for $${usd}`);
    // The task is forgotten after the job is over; the timeout of the test fails one that stays.
    while (fixture.provider.tasks.list().length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    await fixture.end();
  }
});
