/**
 * The console as somebody meets it who has a model file and nothing else, in one go and in one window: upload, approve, deploy, try a CSV, watch
 * load, ask what if, look after it, delete. What each page can do besides stands in the other files here.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { Console, drop, type Look, noBrowser } from './browser.ts';

const catalogue = join(import.meta.dirname, '../../assets/catalogue');
const rowsFile = join(catalogue, 'digits_test.csv');
const [pixels = []] = readFileSync(rowsFile, 'utf8')
  .split('\n')
  .slice(1)
  .map((line) => line.split(',').slice(0, 64).map(Number));

describe('a newcomer in the console', { skip: noBrowser }, () => {
  let made: Console;
  let look: Look;
  before(async () => {
    made = await Console.start();
    look = await made.open('/');
  });
  after(() => made?.end());

  test('uploads a model by dropping it, sees its signature, and approves it with a comment', async () => {
    const { page } = look;
    await page.getByRole('link', { name: 'Upload a model' }).click();
    await drop(look, join(catalogue, 'digits_mlp.onnx'));
    await page.getByRole('cell', { name: 'f32[N,64]' }).waitFor();
    await page.getByLabel('Group', { exact: true }).first().fill('digits');
    await page.getByRole('button', { name: 'Register in digits' }).click();
    await page.getByRole('heading', { name: 'digits/1 waits for you' }).waitFor();
    await page.getByRole('textbox', { name: 'Comment' }).fill('0.978 on rows that it never saw');
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByRole('link', { name: 'Deploy digits/1' }).click();
    look.assertQuiet();
  });

  test('moves the promise, sees the plan follow, and deploys for the price on the button', async () => {
    const { page } = look;
    const promise = page.getByRole('slider', { name: 'Latency objective' });
    await page.getByRole('region', { name: 'Deploy', exact: true }).waitFor();
    await promise.press('End'); // the loosest there is: where this machine is busy, the plan says that what is proposed is not possible
    await page.waitForURL(/ms=/);
    await page.getByLabel('Endpoint name').fill('digits');
    await page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).click();
    await page.getByRole('heading', { name: 'digits is in service' }).waitFor();
    await page.getByRole('link', { name: 'Open digits' }).click();
    await page.waitForURL('**/endpoints/digits');
    look.assertQuiet();
  });

  test('tries a CSV: accuracy 0.978', async () => {
    const { page } = look;
    await page.getByRole('link', { name: 'Try it' }).click();
    await page.locator('input[type=file]').setInputFiles(rowsFile);
    await page.getByText('0.978', { exact: true }).waitFor();
    look.assertQuiet();
  });

  test('watches the charts move, and finds decisions with their reason', async () => {
    const { page } = look;
    await look.go('/endpoints/digits?range=15m');
    await until(
      'the rate is charted',
      async () => {
        for (let sent = 0; sent < 20; sent++) await made.server.callWell('POST', '/endpoints/digits/invoke', { instances: [pixels] });
        return /rate [1-9]/.test((await page.getByRole('img', { name: /^Rate/ }).getAttribute('aria-label')) ?? '');
      },
      30_000,
    );
    await page.getByRole('img', { name: /^Latency: p50 \d/ }).waitFor();
    await made.server.callWell('POST', '/endpoints/digits/decisions');
    await page.getByRole('tab', { name: /^Decisions/ }).click();
    const why = page.locator('.tl .why').first();
    await why.waitFor();
    assert(((await why.textContent()) ?? '').length > 10);
    look.assertQuiet();
  });

  test('asks what would be if that load came again', async () => {
    const { page } = look;
    await page.getByRole('link', { name: 'What-if' }).click();
    await page.getByRole('button', { name: 'Simulate 4 policies' }).click();
    await page.waitForURL(/run=/);
    await page.getByText('Done', { exact: true }).waitFor({ timeout: 60_000 });
    await page.getByRole('table', { name: 'What each policy costs, and what it keeps' }).waitFor();
    look.assertQuiet();
  });

  test('meets jobs, monitoring and settings on the way, by their own links', async () => {
    const { page } = look;
    for (const [link, sign] of [
      ['Jobs', 'Transforms'],
      ['Monitoring', 'Alarms'],
      ['Settings', 'Prices'],
    ] as const) {
      await page.getByRole('navigation').getByRole('link', { name: link, exact: true }).click();
      await page.getByRole('heading', { level: 1, name: link }).waitFor();
      await page.getByRole('tab', { name: sign }).waitFor();
    }
    look.assertQuiet();
  });

  test('deletes the endpoint, and is back where the next one begins', async () => {
    const { page } = look;
    await look.go('/endpoints/digits');
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Delete endpoint' }).click();
    const dialog = page.getByRole('dialog', { name: 'Delete endpoint digits?' });
    await dialog.getByRole('textbox').fill('digits');
    await dialog.getByRole('button', { name: 'Delete endpoint' }).click();
    await page.getByText('Deploy your first model').waitFor();
    look.assertQuiet(/status of 404/);
  });
});
