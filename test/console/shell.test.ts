/** The frame of the console: every page opens, in both themes and narrow, without a complaint of the browser or of axe. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Console, noBrowser } from './browser.ts';

const pages = ['/', '/endpoints', '/deploy', '/models', '/jobs', '/what-if', '/monitoring', '/settings'];

describe('the console', { skip: noBrowser }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
  });
  after(() => made?.end());

  for (const scheme of ['light', 'dark'] as const) {
    test(`opens every page of an empty platform, ${scheme}`, async () => {
      const look = await made.open('/', { scheme });
      for (const path of pages) {
        await look.go(path);
        await look.page.waitForLoadState('networkidle').catch(() => undefined); // a page that listens is never idle
        look.assertQuiet();
        await look.assertAccessible();
      }
    });
  }

  test('fits a screen of 390 px, with its menu in a drawer', async () => {
    const look = await made.open('/', { width: 390, height: 844 });
    for (const path of pages) {
      await look.go(path);
      await look.assertNoSidewaysScroll();
    }
    await look.page.getByRole('button', { name: 'Open menu' }).click();
    await look.page.getByRole('dialog').getByRole('link', { name: 'Models' }).click();
    await look.page.getByRole('heading', { level: 1, name: 'Models' }).waitFor();
    look.assertQuiet();
  });

  test('is walked by keys: skip link, search, pages', async () => {
    const look = await made.open('/');
    const { page } = look;
    await page.keyboard.press('Tab');
    assert.equal(await page.locator(':focus').textContent(), 'Skip to content');
    await page.keyboard.press('Control+k');
    await page.getByRole('textbox', { name: 'Search or jump to' }).fill('model');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/models');
    await page.keyboard.press('g');
    await page.keyboard.press('e');
    await page.waitForURL('**/endpoints');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    look.assertQuiet();
  });

  test('remembers light and dark, and has them before the first paint', async () => {
    const look = await made.open('/', { scheme: 'light' });
    await look.page.getByRole('button', { name: 'Switch to dark' }).click();
    await look.go('/models');
    assert.equal(await look.page.locator('html').getAttribute('data-mantine-color-scheme'), 'dark');
    look.assertQuiet();
  });

  test('an address that leads nowhere says so, and where to go', async () => {
    const look = await made.open('/nowhere/at/all');
    await look.page.getByRole('link', { name: 'Open the overview' }).click();
    await look.page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    look.assertQuiet();
  });
});
