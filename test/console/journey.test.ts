/**
 * The journey of a new user with a model file, in one window: upload, approve, deploy, try a CSV file, watch load, simulate, delete. The
 * other files here test each page in detail.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { type BrowserView, Console, drop, noBrowser } from './browser.ts';

const catalogue = join(import.meta.dirname, '../../assets/catalogue');
const rowsFile = join(catalogue, 'digits_test.csv');
const [pixels = []] = readFileSync(rowsFile, 'utf8')
  .split('\n')
  .slice(1)
  .map((line) => line.split(',').slice(0, 64).map(Number));

describe('a new user in the console', { skip: noBrowser }, () => {
  let made: Console;
  let result: BrowserView;
  before(async () => {
    made = await Console.start();
    result = await made.open('/');
  });
  after(() => made?.end());

  test('drops a model, reviews its signature, and approves it with a comment', async () => {
    const { page } = result;
    await page.getByRole('link', { name: 'Upload a model' }).click();
    await drop(result, join(catalogue, 'digits_mlp.onnx'));
    await page.getByRole('cell', { name: 'f32[N,64]' }).waitFor();
    await page.getByLabel('Group', { exact: true }).first().fill('digits');
    await page.getByRole('button', { name: 'Register in digits' }).click();
    await page.getByRole('heading', { name: 'digits/1 is pending approval' }).waitFor();
    await page.getByRole('textbox', { name: 'Comment' }).fill('0.978 on held-out rows');
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByRole('link', { name: 'Deploy digits/1' }).click();
    result.assertQuiet();
  });

  test('changes the objective, sees the plan update, and deploys for the price on the button', async () => {
    const { page } = result;
    const promise = page.getByRole('slider', { name: 'Latency objective' });
    await page.getByRole('region', { name: 'Deploy', exact: true }).waitFor();
    await promise.press('End'); // the loosest objective: on a busy machine the default may be impossible
    await page.waitForURL(/ms=/);
    await page.getByLabel('Endpoint name').fill('digits');
    await page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).click();
    await page.getByRole('heading', { name: 'digits is in service' }).waitFor();
    await page.getByRole('link', { name: 'Open digits' }).click();
    await page.waitForURL('**/endpoints/digits');
    result.assertQuiet();
  });

  test('tries a CSV: accuracy 0.978', async () => {
    const { page } = result;
    await page.getByRole('link', { name: 'Try it' }).click();
    await page.getByText('CSV', { exact: true }).click();
    await page.locator('input[type=file]').setInputFiles(rowsFile);
    await page.getByRole('button', { name: 'Send 450 rows' }).click();
    await page.getByText('0.978', { exact: true }).waitFor();
    result.assertQuiet();
  });

  test('watches the charts and finds decisions with their reason', async () => {
    const { page } = result;
    await result.goTo('/endpoints/digits?range=15m');
    await until(
      'the rate is charted',
      async () => {
        for (let sent = 0; sent < 20; sent++) await made.server.callWell('POST', '/endpoints/digits/invoke', { instances: [pixels] });
        return /rate (?:0\.\d*)?[1-9]/.test((await page.getByRole('img', { name: /^Rate/ }).getAttribute('aria-label')) ?? '');
      },
      30_000,
    );
    await page.getByRole('img', { name: /^Latency: p50 \d/ }).waitFor();
    await made.server.callWell('POST', '/endpoints/digits/decisions');
    await page.getByRole('tab', { name: /^Decisions/ }).click();
    const why = page.locator('.tl .why').first();
    await why.waitFor();
    assert(((await why.textContent()) ?? '').length > 10);
    result.assertQuiet();
  });

  test('simulates the recorded load', async () => {
    const { page } = result;
    await page.getByRole('link', { name: 'What-if' }).click();
    await page.getByRole('button', { name: 'Simulate 4 policies' }).click();
    await page.waitForURL(/run=/);
    await page.getByText('Done', { exact: true }).waitFor({ timeout: 60_000 });
    await page.getByRole('table', { name: 'Cost and in-time share by policy' }).waitFor();
    result.assertQuiet();
  });

  test('navigates to jobs, monitoring and settings', async () => {
    const { page } = result;
    for (const [link, sign] of [
      ['Jobs', 'Transforms'],
      ['Monitoring', 'Alarms'],
      ['Settings', 'Prices'],
    ] as const) {
      await page.getByRole('navigation').getByRole('link', { name: link, exact: true }).click();
      await page.getByRole('heading', { level: 1, name: link }).waitFor();
      await page.getByRole('tab', { name: sign }).waitFor();
    }
    result.assertQuiet();
  });

  test('deletes the endpoint and returns to the empty state', async () => {
    const { page } = result;
    await result.goTo('/endpoints/digits');
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Delete endpoint' }).click();
    const dialog = page.getByRole('dialog', { name: 'Delete endpoint digits?' });
    await dialog.getByRole('textbox').fill('digits');
    await dialog.getByRole('button', { name: 'Delete endpoint' }).click();
    await page.getByText('Deploy your first model').waitFor();
    result.assertQuiet(/status of 404/);
  });
});
