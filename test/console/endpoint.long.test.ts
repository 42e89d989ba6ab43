/** The life of an endpoint: empty overview, deployment, CSV predictions, charts under load, decisions, settings, deletion. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { EndpointBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { Console, noBrowser } from './browser.ts';

const rowsFile = join(import.meta.dirname, '../../assets/catalogue/digits_test.csv');
const wineModel = join(import.meta.dirname, '../../assets/catalogue/wine_rf.onnx');
const pixels = readFileSync(rowsFile, 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(',').slice(0, 64).map(Number));

/** A file with names of features and two labelled rows. */
function wineFile(): { name: string; mimeType: string; buffer: Buffer } {
  const header = Array.from({ length: 13 }, (_, index) => `feature_${index}`).join();
  const csv = `${header},label\n${'1,'.repeat(13)}0\n${'2,'.repeat(13)}1\n`;
  return { name: 'wine.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) };
}

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

  /** A light load: enough for the charts, little enough for a shared machine. */
  async function keepLoaded(): Promise<void> {
    for (let row = 0; isLoaded; row++) {
      const some = [0, 1, 2].map((each) => pixels[(row * 3 + each) % pixels.length]);
      await Promise.all(some.map((values) => made.server.call('POST', '/endpoints/digits/invoke', { instances: [values] })));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  test('explains the first step on an empty platform', async () => {
    const result = await made.open('/');
    await result.page.getByText('Deploy your first model').waitFor();
    await result.screenshot('overview-empty-light');
    result.assertQuiet();
  });

  test('shows a new endpoint and its transition into service without a reload', async () => {
    const { server } = made;
    const result = await made.open('/endpoints');
    await server.callWell('POST', '/catalogue/digits-mlp/register', {});
    await server.callWell('POST', '/groups/digits-mlp/versions/1/approval', { approval: 'Approved' });
    await server.callWell('POST', '/endpoints', {
      name: 'digits',
      objective: 'p95<=1s',
      // More functions than the machine has cores: the endpoint has a note about it.
      variants: [{ model: 'digits-mlp/1', functions: { max_concurrency: 200 }, scaling: { instances_min: 1, instances_max: 2 } }],
    });
    // The page is not reloaded: live updates show the endpoint.
    await result.page.getByRole('link', { name: 'digits', exact: true }).first().click();
    await result.page.waitForURL('**/endpoints/digits');
    await result.page.locator('.head').getByText('In service', { exact: true }).waitFor();
    result.assertQuiet();
  });

  test('sends a CSV file and shows accuracy, wrong predictions, the receipt, and code', async () => {
    const result = await made.open('/endpoints/digits/try?by=csv');
    const { page } = result;
    await page.locator('input[type=file]').setInputFiles(rowsFile);
    const send = page.getByRole('button', { name: 'Send 450 rows' });
    await send.waitFor();
    assert.equal(await page.locator('.kpis').count(), 0, 'nothing is sent before the click');
    await send.click();
    await page.getByText('0.978', { exact: true }).waitFor();
    await page.getByText('440 of 450 right, 0.960–0.988 at 95 %').waitFor();
    await page.getByText('Wrong 10').waitFor();
    await page.getByRole('button', { name: '2 of 8 predicted as 1' }).click();
    assert.equal(await page.locator('table.answers tbody tr').count(), 2);
    await page
      .getByRole('button', { name: /show its receipt/ })
      .first()
      .click();
    await page.getByText(/^Receipt of row \d+$/).waitFor();
    await page.getByText('curl', { exact: true }).click();
    const curl = await page.getByRole('region', { name: 'Code in curl' }).textContent();
    assert.match(curl ?? '', /\/v2\/models\/digits\/infer -d/);
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download predictions' }).click();
    const download = await downloading;
    assert.match(download.suggestedFilename(), /^digits-.*\.csv$/);
    const saved = readFileSync(await download.path(), 'utf8')
      .trim()
      .split('\n');
    assert.equal(saved.length, 451);
    assert.match(saved[0] ?? '', /,label,answer,p\(0\),/);
    result.assertQuiet();
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      await result.assertAccessible();
      await result.screenshot(`try-${scheme}`);
    }
  });

  test('does not send a file with other columns, and offers a mapping', async () => {
    const result = await made.open('/endpoints/digits/try?by=csv');
    const { page } = result;
    const header = Array.from({ length: 70 }, (_, index) => `c${index}`);
    const csv = `${header.join(',')},label\n${header.map((_, index) => index).join(',')},3\n`;
    await page.locator('input[type=file]').setInputFiles({ name: 'other.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
    await page.getByText(/takes 64 columns a row, but 70 of the file are mapped to it/).waitFor();
    assert(await page.getByRole('button', { name: 'Send 1 row' }).isDisabled());
    await result.screenshot('try-other-columns-light');
    await page.getByRole('button', { name: 'Map columns' }).click();
    const dialog = page.getByRole('dialog', { name: 'Map columns to inputs' });
    await dialog.getByRole('combobox', { name: /^First column of/ }).click();
    await page.getByRole('option', { name: 'c6', exact: true }).click();
    await dialog.getByRole('button', { name: 'Map columns' }).click();
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await page.locator('.kpis').count(), 0, 'nothing is sent before the click');
    await page.getByRole('button', { name: 'Send 1 row' }).click();
    await page.locator('.kpis').waitFor();
    result.assertQuiet();
  });

  test('generates a form and a picture board from the signature', async () => {
    const result = await made.open('/endpoints/digits/try?by=form');
    const { page } = result;
    await page.getByRole('button', { name: 'Take row 1 of digits-mlp samples' }).click();
    await page.getByRole('button', { name: 'Send row' }).click();
    await page.getByText('% confidence').waitFor();
    await page.getByText('Latency explained').waitFor();
    await result.assertAccessible();
    await page.getByText('Picture', { exact: true }).click();
    await page.getByRole('button', { name: 'Sample 1' }).click();
    await page.getByRole('button', { name: 'Send picture' }).click();
    await page.getByText('% confidence').waitFor();
    await result.assertAccessible();
    await result.screenshot('try-picture-light');
    result.assertQuiet();
  });

  test('starts with the picture of an image model, and with the form of a model with few features', async () => {
    const { server } = made;
    await server.callWell('POST', '/catalogue/wine-rf/register', {});
    await server.callWell('POST', '/groups/wine-rf/versions/1/approval', { approval: 'Approved' });
    await server.callWell('POST', '/endpoints', { name: 'wine', variants: [{ model: 'wine-rf/1' }] });
    await until('it serves', async () => (await server.endpoint('wine')).status === 'InService');
    const result = await made.open('/endpoints/digits/try');
    const { page } = result;
    await page.getByRole('button', { name: 'Send picture' }).waitFor();
    await result.goTo('/endpoints/wine/try');
    await page.getByRole('button', { name: 'Send row' }).waitFor(); // the former page has a field for files, too
    // The names of the features come from a file with a header, one of whose rows fills the form.
    await page.locator('input[type=file]').setInputFiles(wineFile());
    await page.getByLabel('Row of wine.csv').fill('2');
    await page.getByRole('button', { name: 'Take row 2 of wine.csv' }).click();
    await page.getByText('Row 2 of 2; its label is 1.').waitFor();
    assert.equal(await page.getByLabel('feature_12').inputValue(), '2');
    await page.getByRole('button', { name: 'Send row' }).click();
    await page.getByText('% confidence').waitFor();
    await result.assertAccessible();
    await page.setViewportSize({ width: 390, height: 844 });
    await result.assertNoSidewaysScroll();
    await result.screenshot('try-form-390');
    // The CSV tab has the same file.
    await page.getByText('CSV', { exact: true }).click();
    await page.getByRole('button', { name: 'Send 2 rows' }).waitFor();
    result.assertQuiet();
  });

  test('keeps a file that is chosen while the samples arrive, and one that was chosen before an update', async () => {
    const { server } = made;
    const result = await made.open('/');
    const { page } = result;
    const catalogue = Promise.withResolvers<void>();
    await page.route('**/api/v1/catalogue', async (route) => {
      await catalogue.promise;
      await route.continue();
    });
    await result.goTo('/endpoints/wine/try');
    const choosing = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Take a row of a file' }).click();
    const chooser = await choosing;
    catalogue.resolve();
    await page.getByRole('button', { name: 'Take row 1 of wine-rf samples' }).waitFor();
    await chooser.setFiles(wineFile());
    await page.getByRole('button', { name: 'Take row 1 of wine.csv' }).waitFor();
    await server.register('wine-rf', readFileSync(wineModel));
    await server.callWell('POST', '/groups/wine-rf/versions/2/approval', { approval: 'Approved' });
    await server.callWell('PATCH', '/endpoints/wine', { variants: [{ model: 'wine-rf/2' }] });
    await page.locator('.head').getByText('wine-rf/2', { exact: true }).waitFor();
    await page.locator('.head').getByText('In service', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Take row 1 of wine.csv' }).waitFor();
    result.assertQuiet();
    await server.callWell('DELETE', '/endpoints/wine');
    await until('it is deleted', async () => (await server.callWell<{ items: EndpointBody[] }>('GET', '/endpoints')).items.length === 1);
  });

  test('updates charts under load and shows them as a table', async () => {
    load = keepLoaded();
    const result = await made.open('/endpoints/digits?range=15m');
    const { page } = result;
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
    // Dragging zooms in and changes the URL; Escape resets it.
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
    // A new endpoint starts with the shortest range, which is then not in the URL.
    await page.keyboard.press(']');
    await page.waitForURL('**/*range=1h*');
    await page.keyboard.press('[');
    await page.waitForURL((url) => url.searchParams.get('range') === null);
    assert.equal(await page.getByRole('radio', { name: '15 min' }).isChecked(), true);
    result.assertQuiet();
  });

  test('shows its notes in one line on Live and Settings, until they are dismissed', async () => {
    const { page } = await made.open('/endpoints/digits?tab=settings');
    const note = page.getByRole('note').filter({ hasText: /^Notes?:/ });
    await note.waitFor();
    assert(((await note.boundingBox())?.height ?? 0) < 44, 'one line');
    await page.getByRole('tab', { name: 'Variants' }).click();
    await note.waitFor({ state: 'detached' });
    await page.getByRole('tab', { name: 'Live' }).click();
    await note.getByRole('button', { name: /^Show all/ }).click();
    await note.getByText(/functions can run on this machine/).waitFor();
    await note.getByRole('button', { name: 'Dismiss notes' }).click();
    await note.waitFor({ state: 'detached' });
    await page.reload();
    await page.locator('.kpis').first().waitFor();
    assert.equal(await note.count(), 0);
  });

  test('shows the reason and the alternatives of a decision, which has a URL', async () => {
    const result = await made.open('/endpoints/digits?tab=decisions');
    const { page } = result;
    await made.server.callWell('POST', '/endpoints/digits/decisions');
    const decided = page.locator('.tl > li', { has: page.locator('button[aria-expanded]') }).first();
    await decided.waitFor();
    await decided.getByRole('button').click();
    await page.waitForURL('**/*decision=*');
    assert(((await page.locator('.tl > li.sel .why').textContent()) ?? '').length > 10);
    await result.goTo(page.url());
    await page.locator('.tl > li.sel').waitFor();
    result.assertQuiet();
  });

  test('every tab is accessible in both themes and fits 390 px', async () => {
    const result = await made.open('/endpoints/digits');
    const { page } = result;
    for (const tab of ['live', 'variants', 'decisions', 'logs', 'data', 'settings']) {
      await page.setViewportSize({ width: 1440, height: 1000 });
      await result.goTo(`/endpoints/digits?tab=${tab}${tab === 'live' ? '&range=15m' : ''}`);
      await page.locator('[role=tabpanel] .card').first().waitFor();
      for (const scheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
        await result.assertAccessible();
        await result.screenshot(`endpoint-${tab}-${scheme}`);
      }
      await page.setViewportSize({ width: 390, height: 844 });
      await result.assertNoSidewaysScroll();
      await result.screenshot(`endpoint-${tab}-390`);
    }
    await result.goTo('/');
    await page.getByRole('link', { name: 'digits', exact: true }).first().waitFor();
    await result.assertNoSidewaysScroll();
    await result.screenshot('overview-390');
    await page.setViewportSize({ width: 1440, height: 1000 });
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      await result.assertAccessible();
      await result.screenshot(`overview-${scheme}`);
    }
    result.assertQuiet();
  });

  test('changes the objective on a slider, at the recorded traffic and with the price before and after', async () => {
    const result = await made.open('/endpoints/digits?tab=variants');
    const { page } = result;
    await page.getByRole('link', { name: 'Change objective' }).click();
    await page.waitForURL(/change=objective/);
    const dialog = page.getByRole('dialog', { name: 'Objective of digits' });
    await dialog.getByRole('img', { name: /^Cost by objective/ }).waitFor();
    await dialog.getByText(/^Traffic of the last hour: /).waitFor();
    await dialog.getByText(/^predicted; measured \$/).waitFor();
    assert(await dialog.getByRole('button', { name: 'Change to p95 ≤ 1 s' }).isDisabled(), 'nothing changed yet');
    await dialog.getByText('p99', { exact: true }).click();
    const slider = dialog.getByRole('slider', { name: 'Latency objective' });
    await slider.press('End');
    const [, shown = ''] = /p99 at most ([\d.]+) ms/.exec((await slider.getAttribute('aria-valuetext')) ?? '') ?? [];
    await dialog.getByText(/^Then, p99 ≤ /).waitFor();
    await result.assertAccessible();
    await result.screenshot('change-objective-light');
    await dialog.getByRole('button', { name: /^Change to p99 ≤ / }).click();
    await dialog.waitFor({ state: 'detached' });
    const { objective } = await made.server.endpoint('digits');
    assert.match(objective ?? '', /^p99<=/);
    assert.equal(Number.parseFloat(objective?.slice(5) ?? '') * (objective?.endsWith('ms') === true ? 1 : 1000), Number(shown));
    await page.setViewportSize({ width: 390, height: 844 });
    await result.goTo('/endpoints/digits?tab=settings&change=objective');
    await dialog.getByText('none', { exact: true }).click();
    await result.assertNoSidewaysScroll();
    await dialog.getByRole('button', { name: 'Remove objective' }).click();
    await page.locator('.head').getByText('no objective').waitFor();
    result.assertQuiet();
  });

  test('lists the consequences of a deletion and requires the name', async () => {
    isLoaded = false;
    await load;
    const result = await made.open('/endpoints/digits');
    const { page } = result;
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Delete endpoint' }).click();
    const dialog = page.getByRole('dialog', { name: 'Delete endpoint digits?' });
    await dialog.getByText(/will be rejected from now on/).waitFor();
    assert(await dialog.getByRole('button', { name: 'Delete endpoint' }).isDisabled());
    await result.assertAccessible();
    await result.screenshot('delete-light');
    await dialog.getByRole('textbox').fill('digits');
    await dialog.getByRole('button', { name: 'Delete endpoint' }).click();
    await page.waitForURL('**/endpoints');
    await until('the endpoint is deleted', async () => {
      const { items } = await made.server.callWell<{ items: EndpointBody[] }>('GET', '/endpoints');
      return items.length === 0 || undefined;
    });
    await page.getByText('Deploy your first model').waitFor();
    result.assertQuiet(/status of 404/);
  });
});
