/** Training jobs in the browser: the list, a job with its course, metrics and output, a new job from its form, Stop. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { TrainingJobBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { modelPath } from '../models/index.ts';
import { Console, noBrowser } from './browser.ts';

/** Copies a model, and reports a metric that grows with RATE. */
const command = [
  '/bin/sh',
  '-c',
  'for i in 1 2 3 4 5 6; do echo "epoch=$i loss=0.$((9 - i))1 validation-accuracy=0.9$i"; sleep 0.4; done; echo "Warning: it did not converge" >&2; ' +
    'cp /opt/ml/input/data/model/* /opt/ml/model/ 2>/dev/null || cp "$SAGEMAKER_BASE_DIR"/input/data/model/* "$SAGEMAKER_BASE_DIR"/model/',
];
const metrics = [
  { name: 'accuracy', regex: 'validation-accuracy=([0-9.]+)' },
  { name: 'loss', regex: 'loss=([0-9.]+)' },
];

describe('training', { skip: noBrowser, timeout: 170_000 }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
    const form = new FormData();
    const spec = { name: 'digits-1', group: 'digits', environment: null, command, metrics, hyperparameters: { C: 0.5, rounds: 6 } };
    form.append('spec', JSON.stringify(spec));
    form.append('data.model', new Blob([readFileSync(modelPath('digits_mlp'))]), 'model.onnx');
    const response = await fetch(`${made.server.url}/api/v1/training-jobs`, { method: 'POST', body: form });
    assert.equal(response.status, 202, await response.text());
    await over('digits-1');
    await made.server.callWell('POST', '/training-jobs', { from: 'digits-1', name: 'digits-2', hyperparameters: { C: 1, rounds: 6 } });
    await over('digits-2');
    await made.server.callWell('POST', '/training-jobs', {
      name: 'broken',
      environment: null,
      command: ['/bin/sh', '-c', 'echo "no such column: label" >&2; exit 3'],
    });
    await over('broken');
    await made.server.callWell('POST', '/groups/digits/versions/1/approval', { approval: 'Approved' });
    await made.server.callWell('POST', '/endpoints', { name: 'digits', variants: [{ model: 'digits/1', instance_count: 1 }] });
  });
  after(() => made?.end());

  const over = (name: string): Promise<TrainingJobBody> =>
    until(`job ${name} is over`, async () => {
      const job = await made.server.callWell<TrainingJobBody>('GET', `/training-jobs/${name}`);
      return job.status !== 'InProgress' && job.status !== 'Stopping' && job;
    });

  for (const [scheme, width] of [
    ['light', 1400],
    ['dark', 1400],
    ['light', 390],
    ['dark', 390],
  ] as const) {
    test(`the list and a job in ${scheme}, ${width} pixels wide`, async () => {
      const view = await made.open('/training', { scheme, width });
      const { page } = view;
      await page.getByRole('link', { name: 'digits-2' }).waitFor();
      await page.getByRole('table').locator('svg path').first().waitFor({ state: 'attached' });
      await view.assertAccessible();
      await view.screenshot(`training-${scheme}-${width}`);
      await view.assertNoSidewaysScroll();
      await view.goTo('/training/digits-1');
      await page.getByText('6 lines').or(page.getByText('7 lines')).waitFor();
      await page.getByRole('link', { name: 'digits', exact: true }).first().waitFor();
      await page.getByRole('img', { name: /accuracy: digits-1 0\.9/ }).waitFor();
      await view.assertAccessible();
      await view.screenshot(`training-job-${scheme}-${width}`);
      await view.assertNoSidewaysScroll();
      view.assertQuiet();
    });
  }

  test('a job of a cluster says on which host it ran, and why', async () => {
    const view = await made.open('/training', { width: 390 });
    const reason = 'h1 has 3 of 4 vCPU and 6 of 8 GiB free, and hosts are filled one after the other; there is room on h2, too';
    await view.page.route('**/api/v1/training-jobs/digits-1', async (route) => {
      const body = (await (await route.fetch()).json()) as TrainingJobBody;
      await route.fulfill({ json: { ...body, host: 'h1', placed_because: reason } satisfies TrainingJobBody });
    });
    await view.goTo('/training/digits-1');
    await view.page.getByText(`${reason}.`).waitFor();
    assert.match((await view.page.getByRole('link', { name: 'h1', exact: true }).getAttribute('href')) ?? '', /\/cluster\?host=h1$/);
    await view.assertAccessible();
    await view.assertNoSidewaysScroll();
    view.assertQuiet();
  });

  test('other jobs are laid over the metrics, and the output is searched', async () => {
    const view = await made.open('/training/digits-1?with=digits-2');
    const { page } = view;
    await page.getByRole('img', { name: /digits-1 0\.9.*digits-2 0\.9/ }).waitFor();
    await page.getByLabel('Find in the output').fill('CONVERGE');
    await page.getByText(/^1 of /).waitFor();
    await page.getByRole('log').getByText('it did not converge').waitFor();
    await view.assertAccessible();
    await view.screenshot('training-job-compared');
    view.assertQuiet();
  });

  test('a failed job says why', async () => {
    const view = await made.open('/training/broken');
    await view.page
      .getByText(/no such column: label/)
      .first()
      .waitFor();
    await view.assertAccessible();
    await view.screenshot('training-job-failed');
    view.assertQuiet();
  });

  test('a job is started from the form of another one, and stopped', async () => {
    const view = await made.open('/training/digits-1');
    const { page } = view;
    await page.getByRole('button', { name: 'Train again with…' }).click();
    const dialog = page.getByRole('dialog');
    assert.equal(await dialog.getByLabel('Hyperparameters').inputValue(), 'C=0.5\nrounds=6');
    await dialog.getByLabel('Hyperparameters').fill('C');
    await dialog.getByText('Each line needs a name before =.').waitFor();
    await dialog.getByLabel('Hyperparameters').fill('C=2');
    await view.assertAccessible();
    await view.screenshot('training-again');
    await dialog.getByRole('button', { name: 'Start training job' }).click();
    await page.getByRole('heading', { level: 1, name: 'digits-3' }).waitFor();
    assert.deepEqual((await over('digits-3')).hyperparameters, { C: '2' });
    await made.server.callWell('POST', '/training-jobs', { name: 'endless', environment: null, command: ['/bin/sh', '-c', 'sleep 600'] });
    await view.goTo('/training/endless');
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('button', { name: 'Stop training job' }).click();
    await page.getByRole('button', { name: 'Delete' }).waitFor();
    assert.equal((await over('endless')).status, 'Stopped');
    view.assertQuiet();
  });

  test('a version names the job that trained it', async () => {
    const view = await made.open('/models/digits?version=1');
    await view.page.getByRole('link', { name: 'digits-1' }).click();
    await view.page.getByRole('heading', { level: 1, name: 'digits-1' }).waitFor();
    view.assertQuiet();
  });
});
