/** An endpoint from nothing to nothing: the empty overview, a deploy, a CSV through it, charts under load, decisions, the end. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { EndpointBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { Console, noBrowser } from './browser.ts';

const rowsFile = join(import.meta.dirname, '../../assets/catalogue/digits_test.csv');
const pixels = readFileSync(rowsFile, 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(',').slice(0, 64).map(Number));

describe('an endpoint in the console', { skip: noBrowser }, () => {
  let made: Console;
  let isLoaded = true;
  let load: Promise<void> = Promise.resolve();

  before(async () => {
    made = await Console.start();
  });
  after(async () => {
    isLoaded = false;
    await load;
    await made?.end();
  });

  /** A few requests at a time, so that there is something to see and the machine has room for others. */
  async function keepLoaded(): Promise<void> {
    for (let row = 0; isLoaded; row++) {
      const some = [0, 1, 2].map((each) => pixels[(row * 3 + each) % pixels.length]);
      await Promise.all(some.map((values) => made.server.call('POST', '/endpoints/digits/invoke', { instances: [values] })));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  test('an empty platform says what to do first', async () => {
    const look = await made.open('/');
    await look.page.getByText('Deploy your first model').waitFor();
    await look.screenshot('overview-empty-light');
    look.assertQuiet();
  });

  test('a deploy is seen as it becomes one that serves', async () => {
    const { server } = made;
    const look = await made.open('/endpoints');
    await server.callWell('POST', '/catalogue/digits-mlp/register', {});
    await server.callWell('POST', '/groups/digits-mlp/versions/1/approval', { approval: 'Approved' });
    await server.callWell('POST', '/endpoints', {
      name: 'digits',
      objective: 'p95<=1s',
      variants: [{ model: 'digits-mlp/1', functions: {}, scaling: { instances_min: 1, instances_max: 2 } }],
    });
    // Nobody reloads the page: it is told.
    await look.page.getByRole('link', { name: 'digits', exact: true }).first().click();
    await look.page.waitForURL('**/endpoints/digits');
    await look.page.locator('.head').getByText('In service', { exact: true }).waitFor();
    look.assertQuiet();
  });

  test('a CSV is answered: the accuracy, the wrong ones, the receipt, the same call as code', async () => {
    const look = await made.open('/endpoints/digits/try');
    const { page } = look;
    await page.locator('input[type=file]').setInputFiles(rowsFile);
    await page.getByText('0.978', { exact: true }).waitFor();
    await page.getByText('440 of 450 right, 0.960–0.988 at 95 %').waitFor();
    await page.getByText('Wrong 10').waitFor();
    await page.getByRole('button', { name: '2 of 8 taken for 1' }).click();
    assert.equal(await page.locator('table.answers tbody tr').count(), 2);
    await page
      .getByRole('button', { name: /show its receipt/ })
      .first()
      .click();
    await page.getByText(/^Receipt of row \d+$/).waitFor();
    await page.getByText('curl', { exact: true }).click();
    const curl = await page.getByRole('region', { name: 'The call in curl' }).textContent();
    assert.match(curl ?? '', /\/v2\/models\/digits\/infer -d/);
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download answers' }).click();
    const download = await downloading;
    assert.match(download.suggestedFilename(), /^digits-.*\.csv$/);
    const saved = readFileSync(await download.path(), 'utf8')
      .trim()
      .split('\n');
    assert.equal(saved.length, 451);
    assert.match(saved[0] ?? '', /,label,answer,p\(0\),/);
    look.assertQuiet();
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      await look.assertAccessible();
      await look.screenshot(`try-${scheme}`);
    }
  });

  test('a form and a picture are made from the signature', async () => {
    const look = await made.open('/endpoints/digits/try?by=form');
    const { page } = look;
    await page.getByRole('button', { name: 'Fill in sample 1' }).click();
    await page.getByRole('button', { name: 'Send row' }).click();
    await page.getByText('% sure').waitFor();
    await page.getByText('Where its time went').waitFor();
    await look.assertAccessible();
    await page.getByText('Picture', { exact: true }).click();
    await page.getByRole('button', { name: 'Sample 1' }).click();
    await page.getByRole('button', { name: 'Send picture' }).click();
    await page.getByText('% sure').waitFor();
    await look.assertAccessible();
    await look.screenshot('try-picture-light');
    look.assertQuiet();
  });

  test('charts move under load, and say the same as a table', async () => {
    load = keepLoaded();
    const look = await made.open('/endpoints/digits?range=15m');
    const { page } = look;
    await until(
      'the rate is charted',
      async () => /rate [1-9]/.test((await page.getByRole('img', { name: /^Rate/ }).getAttribute('aria-label')) ?? '') || undefined,
      30_000,
    );
    await page.getByRole('img', { name: /^Latency: p50 \d.*objective p95 ≤ 1 s/ }).waitFor();
    await page.getByRole('button', { name: 'Show as table' }).first().click();
    await page.getByRole('region', { name: 'The chart as a table' }).waitFor();
    await page.getByRole('button', { name: 'Show as chart' }).click();
    await page.keyboard.press('Escape');
    // A closer look by dragging, in the address; Escape comes back.
    const box = await page.getByRole('img', { name: /^Latency/ }).boundingBox();
    assert(box !== null);
    await page.mouse.move(box.x + box.width * 0.6, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.9, box.y + 60, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL((url) => url.searchParams.has('from') && url.searchParams.has('to'));
    await page.keyboard.press('Escape');
    await page.waitForURL((url) => !url.searchParams.has('from'));
    await page.locator('main').focus();
    await page.keyboard.press('Space');
    await page.getByText(/^Paused at/).waitFor();
    await page.getByRole('button', { name: 'Go live' }).click();
    await page.keyboard.press(']');
    await page.waitForURL((url) => url.searchParams.get('range') === null);
    await page.keyboard.press('[');
    await page.waitForURL('**/*range=15m*');
    look.assertQuiet();
  });

  test('a decision says why, what else there was, and has an address', async () => {
    const look = await made.open('/endpoints/digits?tab=decisions');
    const { page } = look;
    await made.server.callWell('POST', '/endpoints/digits/decisions');
    const decided = page.locator('.tl > li', { has: page.locator('button[aria-expanded]') }).first();
    await decided.waitFor();
    await decided.getByRole('button').click();
    await page.waitForURL('**/*decision=*');
    assert(((await page.locator('.tl > li.sel .why').textContent()) ?? '').length > 10);
    await look.go(page.url());
    await page.locator('.tl > li.sel').waitFor();
    look.assertQuiet();
  });

  test('every tab is well in both themes, and at 390 px', async () => {
    const look = await made.open('/endpoints/digits');
    const { page } = look;
    for (const tab of ['live', 'variants', 'decisions', 'logs', 'data', 'settings']) {
      await page.setViewportSize({ width: 1440, height: 1000 });
      await look.go(`/endpoints/digits?tab=${tab}${tab === 'live' ? '&range=15m' : ''}`);
      await page.locator('[role=tabpanel] .card').first().waitFor();
      for (const scheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
        await look.assertAccessible();
        await look.screenshot(`endpoint-${tab}-${scheme}`);
      }
      await page.setViewportSize({ width: 390, height: 844 });
      await look.assertNoSidewaysScroll();
      await look.screenshot(`endpoint-${tab}-390`);
    }
    await look.go('/');
    await page.getByRole('link', { name: 'digits', exact: true }).first().waitFor();
    await look.assertNoSidewaysScroll();
    await look.screenshot('overview-390');
    await page.setViewportSize({ width: 1440, height: 1000 });
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      await look.assertAccessible();
      await look.screenshot(`overview-${scheme}`);
    }
    look.assertQuiet();
  });

  test('a changed objective is in force without a failed request', async () => {
    const look = await made.open('/endpoints/digits?tab=settings');
    const { page } = look;
    await page.getByLabel('Objective').fill('p95<=nonsense');
    await page.getByRole('button', { name: 'Change digits' }).click();
    await page.getByRole('alert').waitFor();
    look.assertQuiet(/status of 400/);
    await page.getByLabel('Objective').fill('p99<=2s');
    await page.getByRole('button', { name: 'Change digits' }).click();
    await page.getByText('p99 ≤ 2 s', { exact: true }).waitFor();
    look.assertQuiet();
  });

  test('deleting says what it means, and asks for the name', async () => {
    isLoaded = false;
    await load;
    const look = await made.open('/endpoints/digits');
    const { page } = look;
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Delete endpoint' }).click();
    const dialog = page.getByRole('dialog', { name: 'Delete endpoint digits?' });
    await dialog.getByText(/will be refused from now on/).waitFor();
    assert(await dialog.getByRole('button', { name: 'Delete endpoint' }).isDisabled());
    await look.assertAccessible();
    await look.screenshot('delete-light');
    await dialog.getByRole('textbox').fill('digits');
    await dialog.getByRole('button', { name: 'Delete endpoint' }).click();
    await page.waitForURL('**/endpoints');
    await until('the endpoint is gone', async () => {
      const { items } = await made.server.callWell<{ items: EndpointBody[] }>('GET', '/endpoints');
      return items.length === 0 || undefined;
    });
    await page.getByText('Deploy your first model').waitFor();
    look.assertQuiet(/status of 404/);
  });
});
