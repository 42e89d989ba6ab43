/** Tuning jobs by the command line and the native API. The script needs only python3. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { TrainingJobBody, TuningJobBody, TuningTrialBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const script = `import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("-x", "--x", type=float)
parser.add_argument("--kind")
parser.add_argument("--pause", type=float, default=0)
arguments = parser.parse_args()
print(f"loss={(arguments.x - 3) ** 2 + (1 if arguments.kind == 'b' else 0)}", flush=True)
time.sleep(arguments.pause)
`;
const options = ['--environment', 'none', '--range', 'x=0..10.0', '--range', 'kind=a,b', '--metric', 'loss=loss=([0-9.]+)'];

describe('tuning jobs', { timeout: 170_000 }, () => {
  let server: Server;
  let folder: string;
  before(async () => {
    folder = temporaryDirectory();
    writeFileSync(join(folder, 'fit.py'), script);
    server = await Server.start();
  });
  after(async () => {
    await server?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  const cli = (...argv: string[]) =>
    promisify(execFile)(penstock, argv, { env: { ...plainEnvironment(), PENSTOCK_URL: server.url }, cwd: folder });
  const tune = (...argv: string[]) => cli('tune', 'fit.py', ...options, '--objective', 'loss:min', ...argv);

  test('a script is tuned: trials, their picture and the command that trains with the best values', async () => {
    const { stdout, stderr } = await tune('--jobs', '6', '--parallel', '2', '--seed', '3');
    assert.match(stderr, /✔ upload {4}fit-1 \(Bayesian, 6 trials, local\.1\): code 1 file \d+ B/);
    assert.match(stderr, /✔ tune {6}fit-1: 6 of 6 trials, 0 running · best loss [\d.]+ with x=[\d.]+, kind=[ab]/);
    assert.match(stdout, /^ *[\d.]+ \| .*[*·]/m);
    assert.match(stdout, /^ *trial 1 to 6$/m);
    assert.match(stdout, /^ *#  JOB +STATUS +LOSS  BEST  WITH/m);
    assert.match(stdout, /^next: penstock train fit\.py --hyperparameter x=[\d.]+ --hyperparameter kind=[ab] --group GROUP$/m);
    const job = await server.callWell<TuningJobBody>('GET', '/tuning-jobs/fit-1');
    assert.deepEqual([job.status, job.counts.completed, job.goal, job.seed], ['Completed', 6, 'Minimize', 3]);
    const { items } = await server.callWell<{ items: readonly TuningTrialBody[] }>('GET', '/tuning-jobs/fit-1/trials');
    assert.equal(job.best?.objective, Math.min(...items.map(({ objective }) => objective ?? Infinity)));
    const best = await server.callWell<TrainingJobBody>('GET', `/training-jobs/${job.best?.job}`);
    assert.deepEqual([best.status, best.hyperparameters['kind']], ['Completed', job.best?.values['kind']]);
  });

  test('tuning jobs are listed, described, stopped and deleted', async () => {
    const { stdout: created } = await tune('--name', 'slow', '--hyperparameter', 'pause=600', '--jobs', '5', '--detach');
    assert.equal(created, 'slow was created: see it with penstock tuning describe slow\n');
    await until('a trial runs', async () => (await server.callWell<TuningJobBody>('GET', '/tuning-jobs/slow')).counts.in_progress === 1);
    assert.match((await cli('tuning', 'list')).stdout, /^slow +InProgress +Bayesian +0 of 5 +loss, minimize/m);
    await assert.rejects(cli('tuning', 'delete', 'slow'), ({ stderr }: { stderr: string }) =>
      /slow is InProgress: stop it first/.test(stderr),
    );
    assert.match((await cli('tuning', 'stop', 'slow')).stdout, /^slow is Stopp/);
    await until('it is over', async () => (await server.callWell<TuningJobBody>('GET', '/tuning-jobs/slow')).status === 'Stopped');
    assert.match(
      (await cli('tuning', 'describe', 'slow')).stdout,
      /^status +Stopped\nobjective +minimize loss\nstrategy +Bayesian, seed \d+$/m,
    );
    assert.equal((await cli('tuning', 'delete', 'slow')).stdout, 'slow was deleted\n');
    assert.equal((await server.call('GET', '/tuning-jobs/slow')).status, 404);
  });

  for (const [what, argv, message] of [
    ['no range', ['tune', 'fit.py', '--environment', 'none', '--metric', 'loss=(1)'], /there is nothing to tune: name a range/],
    ['no metric', ['tune', 'fit.py', '--environment', 'none', '--range', 'x=1..2'], /there are 0 metrics to tune by/],
    ['a range without bounds', ['tune', 'fit.py', '--range', 'x'], /'x' is not a range: expected, for example, lr=0\.001\.\.1/],
    [
      'a grid of numbers',
      ['tune', 'fit.py', ...options, '--strategy', 'grid'],
      /strategy Grid needs categorical ranges, and 'x' is continuous/,
    ],
    ['an unknown strategy', ['tune', 'fit.py', ...options, '--strategy', 'best'], /expected bayesian, random, grid, hyperband/],
  ] as const) {
    test(`is rejected with ${what}`, async () => {
      await assert.rejects(cli(...argv), ({ stderr }: { stderr: string }) => message.test(stderr) || assert.fail(stderr));
    });
  }
});
