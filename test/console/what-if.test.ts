/** What-if in a browser: an uploaded trace, policies, an objective; the result with charts and money. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Console, type Look, noBrowser } from './browser.ts';

const trace = `requests\n${Array.from({ length: 180 }, (_, i) => Math.round(300 + 240 * Math.sin(i / 18) + (i % 45 < 5 ? 500 : 0))).join('\n')}\n`;

describe('what-if', { skip: noBrowser }, () => {
  let made: Console;
  let look: Look;
  before(async () => {
    made = await Console.start();
    look = await made.open('/what-if');
  });
  after(() => made?.end());

  test('says what is missing until there is something to simulate', async () => {
    const { page } = look;
    const button = page.getByRole('button', { name: /^Simulate/ });
    await page.getByText('There is no endpoint yet').waitFor();
    assert.equal(await button.isDisabled(), true);
    await page.getByText('Upload', { exact: true }).click();
    await page.getByText('Choose a file.').waitFor();
    look.assertQuiet();
    await look.assertAccessible();
    await look.screenshot('what-if-form-light');
  });

  test('simulates an uploaded trace and tells who keeps the promise for how much', async () => {
    const { page } = look;
    await page.getByLabel('Trace').setInputFiles({ name: 'waves.csv', mimeType: 'text/csv', buffer: Buffer.from(trace) });
    await page.getByLabel('At most, in ms').fill('500');
    await page.getByRole('button', { name: 'Simulate 3 policies' }).click();
    await page.waitForURL(/run=/);
    await page.getByText('Done', { exact: true }).waitFor({ timeout: 120_000 });
    await page
      .getByText(/keeps the promise|No policy keeps the promise/)
      .first()
      .waitFor();
    const table = page.getByRole('table', { name: 'What each policy costs, and what it keeps' });
    assert.equal(await table.getByRole('row').count(), 4);
    assert.match((await table.textContent()) ?? '', /Penstock.*Target tracking.*Always-on/s);
    for (const name of ['Load', 'Instances', 'p95']) await page.getByRole('heading', { name, exact: true }).waitFor();
    look.assertQuiet();
    await look.assertAccessible();
    await look.screenshot('what-if-light');
  });

  test('the result has an address, is there in the dark and on a narrow screen, and is forgotten when it is told to be', async () => {
    const address = new URL(look.page.url());
    const dark = await made.open(address.pathname + address.search, { scheme: 'dark' });
    await dark.page.getByRole('heading', { name: 'Cost against promise' }).waitFor();
    dark.assertQuiet();
    await dark.assertAccessible();
    await dark.screenshot('what-if-dark');
    const narrow = await made.open(address.pathname + address.search, { width: 390, height: 844 });
    await narrow.page.getByRole('heading', { name: 'Cost against promise' }).waitFor();
    await narrow.assertNoSidewaysScroll();
    await narrow.screenshot('what-if-390');
    const { page } = look;
    await look.go('/what-if');
    await page.getByRole('link', { name: 'waves.csv' }).waitFor();
    await page.getByRole('button', { name: 'Forget waves.csv' }).click();
    await page.getByText('None yet.').waitFor();
    look.assertQuiet();
  });

  test('what is refused is told, with what to do', async () => {
    const { page } = look;
    await page.getByText('Made up', { exact: true }).click();
    await page.getByLabel('Requests per second').fill('weather:9');
    await page.getByRole('button', { name: 'Simulate 3 policies' }).click();
    await page
      .getByRole('alert')
      .getByText(/expected poisson:RATE/)
      .waitFor();
    look.assertQuiet(/400 \(Bad Request\)/);
  });
});
