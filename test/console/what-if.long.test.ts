/** The What-if page in a browser: an uploaded trace, policies, an objective, and the results. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type BrowserView, Console, noBrowser } from './browser.ts';

const trace = `requests\n${Array.from({ length: 180 }, (_, i) => Math.round(300 + 240 * Math.sin(i / 18) + (i % 45 < 5 ? 500 : 0))).join('\n')}\n`;

describe('what-if', { skip: noBrowser }, () => {
  let made: Console;
  let result: BrowserView;
  before(async () => {
    made = await Console.start();
    result = await made.open('/what-if');
  });
  after(() => made?.end());

  test('says what is missing until a simulation can start', async () => {
    const { page } = result;
    const button = page.getByRole('button', { name: /^Simulate/ });
    await page.getByText('No endpoint yet').waitFor();
    assert.equal(await button.isDisabled(), true);
    await page.getByText('Upload', { exact: true }).click();
    await page.getByText('Choose a file.').waitFor();
    const large = { name: 'large.csv', mimeType: 'text/csv', buffer: Buffer.alloc(3 * 2 ** 20 + 1, '1') };
    await page.getByLabel('Trace').setInputFiles(large);
    await page
      .getByText(/^large\.csv is too large: expected at most 3\.0 MB/)
      .first()
      .waitFor();
    result.assertQuiet();
    await result.assertAccessible();
    await result.screenshot('what-if-form-light');
  });

  test('simulates an uploaded trace and summarizes cost and in-time share by policy', async () => {
    const { page } = result;
    await page.getByLabel('Trace').setInputFiles({ name: 'waves.csv', mimeType: 'text/csv', buffer: Buffer.from(trace) });
    await page.getByLabel('Latency in ms').fill('500');
    await page.getByRole('button', { name: 'Simulate 3 policies' }).click();
    await page.waitForURL(/run=/);
    await page.getByText('Done', { exact: true }).waitFor({ timeout: 120_000 });
    await page
      .getByText(/meets the objective|No policy meets the objective/)
      .first()
      .waitFor();
    const table = page.getByRole('table', { name: 'Cost and in-time share by policy' });
    assert.equal(await table.getByRole('row').count(), 4);
    assert.match((await table.textContent()) ?? '', /Penstock.*Target tracking.*Always-on/s);
    for (const name of ['Load', 'Instances', 'p95']) await page.getByRole('heading', { name, exact: true }).waitFor();
    result.assertQuiet();
    await result.assertAccessible();
    await result.screenshot('what-if-light');
  });

  test('results have a URL, are accessible in dark mode, fit a narrow screen, and can be deleted', async () => {
    const address = new URL(result.page.url());
    const dark = await made.open(address.pathname + address.search, { scheme: 'dark' });
    await dark.page.getByRole('heading', { name: 'Cost and in-time share' }).waitFor();
    dark.assertQuiet();
    await dark.assertAccessible();
    await dark.screenshot('what-if-dark');
    const narrow = await made.open(address.pathname + address.search, { width: 390, height: 844 });
    await narrow.page.getByRole('heading', { name: 'Cost and in-time share' }).waitFor();
    await narrow.assertNoSidewaysScroll();
    await narrow.screenshot('what-if-390');
    const { page } = result;
    await result.goTo('/what-if');
    await page.getByRole('link', { name: 'waves.csv' }).waitFor();
    await page.getByRole('button', { name: 'Delete waves.csv' }).click();
    await page.getByText('No simulations yet.').waitFor();
    result.assertQuiet();
  });

  test('shows why an invalid load is rejected and what is expected', async () => {
    const { page } = result;
    await page.getByText('Synthetic', { exact: true }).click();
    await page.getByLabel('Requests per second').fill('weather:9');
    await page.getByRole('button', { name: 'Simulate 3 policies' }).click();
    await page
      .getByRole('alert')
      .getByText(/expected poisson:RATE/)
      .waitFor();
    result.assertQuiet(/400 \(Bad Request\)/);
  });
});
