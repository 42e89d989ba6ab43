/** Pipelines in the browser: the list, a pipeline with its runs, a run with its steps and its test, Run now, Disable and Enable, Stop. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { PipelineBody, PipelineRunBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { modelPath } from '../models/index.ts';
import { type BrowserView, Console, noBrowser } from './browser.ts';

/** Copies a model that forgets the weights of its first pixels, 256 bytes each, which start at byte 288. */
const script =
  'root=$SAGEMAKER_BASE_DIR; [ -n "$root" ] || root=/opt/ml; m=$root/input/data/model/digits_mlp.onnx; ' +
  'of() { sed "s/.*\\"$1\\":\\"\\([0-9]*\\)\\".*/\\1/" "$root/input/config/hyperparameters.json"; }; sleep "$(of seconds)"; n=$((256 * $(of forgotten))); ' +
  '{ head -c 288 "$m"; head -c "$n" /dev/zero; tail -c +$((289 + n)) "$m"; } > "$root/model/model.onnx"; echo "forgotten=$(of forgotten)"';

const file = `name: digits-loop
on:
  schedule: cron(0 3 ? * SUN *)
  event: {source: [penstock], detail-type: [endpoint.drifted], resources: [digits]}
  atMostEvery: 6h
parameters: {forgotten: 16, seconds: 0}
train:
  command: [/bin/sh, -c, ${JSON.stringify(script)}]
  channels: {model: s3://team/model/}
  hyperparameters: {forgotten: "\${parameters.forgotten}", seconds: "\${parameters.seconds}"}
  metrics: {forgotten: 'forgotten=([0-9]+)'}
evaluate: {data: s3://team/holdout.csv, label: label}
register: {group: digits}
approve: {when: better}
deploy: {endpoint: digits, rollout: {steps: [{percent: 50, watch: 1s}, {percent: 100, watch: 1s}]}}
`;

describe('pipelines', { skip: noBrowser, timeout: 170_000 }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
    const { server } = made;
    const [accessKeyId = '', secretAccessKey = ''] = server.adminKey.split(':');
    const s3 = new S3Client({
      endpoint: server.url,
      region: 'us-east-1',
      credentials: { accessKeyId, secretAccessKey },
      forcePathStyle: true,
    });
    try {
      await s3.send(new CreateBucketCommand({ Bucket: 'team' }));
      await s3.send(new PutObjectCommand({ Bucket: 'team', Key: 'model/digits_mlp.onnx', Body: readFileSync(modelPath('digits_mlp')) }));
      const holdout = readFileSync(join(import.meta.dirname, '../../assets/catalogue/digits_test.csv'));
      await s3.send(new PutObjectCommand({ Bucket: 'team', Key: 'holdout.csv', Body: holdout }));
    } finally {
      s3.destroy();
    }
    await apply(file);
    await apply('name: by-hand\ntrain: {command: [/bin/sh, -c, "echo no such column: label >&2; exit 3"]}\n');
    for (const [number, forgotten] of [
      [1, 16],
      [2, 8],
      [3, 24],
    ] as const) {
      await server.callWell('POST', '/pipelines/digits-loop/runs', { parameters: { forgotten: String(forgotten) } });
      await over('digits-loop', number);
    }
    await server.callWell('POST', '/pipelines/by-hand/runs', {});
    await over('by-hand', 1);
  });
  after(() => made?.end());

  const apply = async (yaml: string): Promise<void> => {
    const form = new FormData();
    form.append('file', new Blob([yaml]), 'pipeline.yaml');
    const response = await fetch(`${made.server.url}/api/v1/pipelines`, { method: 'POST', body: form });
    assert.equal(response.status, 200, await response.text());
  };
  const over = (pipeline: string, number: number): Promise<PipelineRunBody> =>
    until(`run ${pipeline}/${number} is over`, async () => {
      const { status, body } = await made.server.call<PipelineRunBody>('GET', `/pipelines/${pipeline}/runs/${number}`);
      return status === 200 && body.state !== 'InProgress' && body;
    });
  const assertWell = async (view: BrowserView, name: string): Promise<void> => {
    await view.assertAccessible();
    await view.screenshot(name);
    await view.assertNoSidewaysScroll();
  };

  for (const [scheme, width] of [
    ['light', 1400],
    ['dark', 1400],
    ['light', 390],
    ['dark', 390],
  ] as const) {
    test(`the list, a pipeline and a run in ${scheme}, ${width} pixels wide`, async () => {
      const view = await made.open('/pipelines', { scheme, width });
      const { page } = view;
      await page.getByRole('link', { name: 'digits-loop/3' }).waitFor();
      await assertWell(view, `pipelines-${scheme}-${width}`);
      await view.goTo('/pipelines/digits-loop');
      await page.getByRole('link', { name: 'digits-loop/1' }).waitFor();
      await assertWell(view, `pipeline-${scheme}-${width}`);
      await view.goTo('/pipelines/digits-loop/2');
      await page.getByRole('link', { name: 'digits', exact: true }).first().waitFor();
      await assertWell(view, `pipeline-run-${scheme}-${width}`);
      view.assertQuiet();
    });
  }

  test('a run shows the numbers and the sentence of its test as the server made them, with links to what it made', async () => {
    const run = await made.server.callWell<PipelineRunBody>('GET', '/pipelines/digits-loop/runs/2');
    assert.deepEqual([run.state, run.verdict], ['Completed', 'better'], run.reason ?? '');
    const view = await made.open('/pipelines/digits-loop/2');
    const { page } = view;
    const card = page.getByRole('region', { name: 'Test', exact: true });
    await card.getByText(`${run.test?.wins} : ${run.test?.losses}`).waitFor();
    await card.getByText(run.steps.find(({ step }) => step === 'approve')?.note ?? '').waitFor();
    await page.getByRole('region', { name: 'Steps' }).getByRole('link', { name: 'digits/2' }).waitFor();
    await page.getByRole('region', { name: 'Steps' }).getByRole('link', { name: 'digits', exact: true }).waitFor();
    await page
      .getByRole('region', { name: 'Steps' })
      .getByRole('link', { name: run.job ?? '', exact: true })
      .click();
    await page.getByRole('heading', { level: 1, name: run.job ?? '', exact: true }).waitFor();
    view.assertQuiet();
  });

  test('a worse version was rejected, and a failed run says why', async () => {
    const view = await made.open('/pipelines/digits-loop/3');
    await view.page
      .getByText(/^Rejected digits\/3/)
      .first()
      .waitFor();
    await view.screenshot('pipeline-run-worse');
    await view.goTo('/pipelines/by-hand/1');
    await view.page
      .getByRole('alert')
      .getByText(/no such column: label/)
      .waitFor();
    await assertWell(view, 'pipeline-run-failed');
    view.assertQuiet();
  });

  test('a pipeline is disabled, enabled, and run now with other parameters, and its run is stopped', async () => {
    const view = await made.open('/pipelines/digits-loop');
    const { page } = view;
    const isEnabled = async (): Promise<boolean> => (await made.server.callWell<PipelineBody>('GET', '/pipelines/digits-loop')).enabled;
    await page.getByRole('button', { name: 'Disable' }).click();
    await page.getByRole('button', { name: 'Disable pipeline' }).click();
    await page.getByRole('button', { name: 'Enable' }).waitFor();
    assert.equal(await isEnabled(), false);
    await page.getByRole('button', { name: 'Enable' }).click();
    await page.getByRole('button', { name: 'Enable pipeline' }).click();
    await page.getByRole('button', { name: 'Disable' }).waitFor();
    assert.equal(await isEnabled(), true);

    await page.getByRole('button', { name: 'Run now' }).click();
    const dialog = page.getByRole('dialog');
    assert.equal(await dialog.getByLabel('Parameters').inputValue(), 'forgotten=16\nseconds=0');
    await dialog.getByLabel('Parameters').fill('rounds=3');
    await dialog.getByRole('button', { name: 'Start run' }).click();
    await dialog.getByText(/unknown parameter 'rounds'/i).waitFor();
    await dialog.getByLabel('Parameters').fill('forgotten=4\nseconds=600');
    await view.assertAccessible();
    await view.screenshot('pipeline-run-now');
    await dialog.getByRole('button', { name: 'Start run' }).click();
    await page.getByRole('heading', { level: 1, name: 'digits-loop/4' }).waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('button', { name: 'Stop run' }).click();
    await page.getByText('The run was stopped.').waitFor();
    assert.equal((await over('digits-loop', 4)).state, 'Stopped');
    view.assertQuiet(/400/);
  });
});
