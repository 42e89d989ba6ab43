/** The console while its server is away: one banner, no state shown as current, and charts that stay with their age. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type BrowserView, Console, noBrowser } from './browser.ts';

const networkErrors = /net::ERR_/;

describe('the console without its server', { skip: noBrowser }, () => {
  let made: Console;
  let views: readonly (readonly [name: string, view: BrowserView])[] = [];
  before(async () => {
    made = await Console.start();
    await made.server.deploy('digits', 'digits_mlp');
    const pixels = new Array<number>(64).fill(1);
    for (let sent = 0; sent < 20; sent++) await made.server.callWell('POST', '/endpoints/digits/invoke', { instances: [pixels] });
    views = [
      ['light-1400', await made.open('/', { scheme: 'light', width: 1400 })],
      ['dark-390', await made.open('/', { scheme: 'dark', width: 390 })],
    ];
    for (const [, { page }] of views) await page.getByText('In service', { exact: true }).filter({ visible: true }).first().waitFor();
    await made.server.end();
  });
  after(() => made?.end());

  test('says once that it does not respond, shows nothing as healthy, and keeps the charts', async () => {
    for (const [name, view] of views) {
      const { page } = view;
      await page.getByText(/^Penstock has not responded since/).waitFor();
      await page.getByText('Unknown, was in service').filter({ visible: true }).first().waitFor();
      for (const word of ['Healthy', 'In service']) assert.equal(await page.getByText(word, { exact: true }).count(), 0, word);
      await page
        .getByText(/^\d+(\.\d)? s old$/)
        .first()
        .waitFor();
      assert.equal(await page.getByRole('img', { name: /^Cost per hour/ }).count(), 1, 'the chart stays');
      assert.equal(await page.getByText(/has not responded/).count(), 1);
      assert.equal(await page.getByText('could not be loaded').count(), 0);
      await view.assertAccessible();
      await view.assertNoSidewaysScroll();
      await view.screenshot(`away-${name}`);
      view.assertQuiet(networkErrors);
    }
  });
});
