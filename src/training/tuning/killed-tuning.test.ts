/** Kills the server at random moments of a tuning job: it goes on, and each trial has exactly one training job. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TrainingFixture } from '../../../test/training-fixture.ts';
import { SeededRandom } from '../../random.ts';

const serverPath = fileURLToPath(new URL('../../../test/tuning-server.ts', import.meta.url));
const killsCount = 6;

test('a tuning job survives kill -9 of its server at any moment', { timeout: 180_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-killed-'));
  const random = new SeededRandom(11);
  for (let kill = 0; kill < killsCount; kill++) {
    const server = spawn(process.execPath, [serverPath, directory, 'lasting'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(server, 'exit');
    await Promise.race([once(server.stdout, 'data'), ended]);
    await new Promise((resolve) => setTimeout(resolve, random.next() * 1200));
    server.kill('SIGKILL');
    await ended;
  }
  const fixture = await TrainingFixture.open({ directory });
  try {
    for (;;) {
      const { status } = await fixture.tuning.get('lasting');
      if (status !== 'InProgress') break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const job = await fixture.tuning.get('lasting');
    assert.deepEqual([job.status, job.counts.completed, job.counts.judged], ['Completed', 8, 8]);
    const trials = await fixture.tuning.trials('lasting');
    const jobs = await fixture.training.list({ nameContains: 'lasting-', limit: 100, sortBy: 'name_key', descending: false });
    assert.deepEqual(
      jobs.map(({ spec }) => spec.name),
      trials.map((trial) => trial.job),
    );
    const kinds = (await fixture.control.events.since(0, 1000)).map(({ kind }) => kind).filter((kind) => kind.startsWith('tuning.'));
    assert.deepEqual(kinds, ['tuning.in-progress', 'tuning.completed']);
  } finally {
    await fixture.end();
  }
});
