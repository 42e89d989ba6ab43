/** The shell of the console: every page opens in both themes and on a narrow screen without browser errors or axe findings. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Console, noBrowser } from './browser.ts';

const pages = ['/', '/endpoints', '/deploy', '/models', '/environments', '/jobs', '/what-if', '/costs', '/monitoring', '/settings'];

describe('the console', { skip: noBrowser }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
  });
  after(() => made?.end());

  for (const scheme of ['light', 'dark'] as const) {
    test(`opens every page of an empty platform, ${scheme}`, async () => {
      const result = await made.open('/', { scheme });
      for (const path of pages) {
        await result.goTo(path);
        await result.page.waitForLoadState('networkidle').catch(() => undefined); // pages with a live connection are never idle
        result.assertQuiet();
        await result.assertAccessible();
        const levels = await result.page.evaluate<number[]>(
          `[...document.querySelectorAll('h1, h2, h3, h4')].filter((heading) => heading.offsetParent !== null).map(({ tagName }) => Number(tagName[1]))`,
        );
        assert(
          levels[0] === 1 && levels.every((level, i) => level - (levels[i - 1] ?? level) <= 1),
          `headings of ${path}: ${levels.join()}`,
        );
        await result.page.getByRole('complementary', { name: 'Sidebar' }).getByRole('navigation', { name: 'Main' }).waitFor();
      }
    });
  }

  test('fits a screen of 390 px, with its menu in a drawer', async () => {
    const result = await made.open('/', { width: 390, height: 844 });
    for (const path of pages) {
      await result.goTo(path);
      await result.assertNoSidewaysScroll();
    }
    await result.page.getByRole('button', { name: 'Open menu' }).click();
    await result.page.getByRole('dialog').getByRole('link', { name: 'Models' }).click();
    await result.page.getByRole('heading', { level: 1, name: 'Models' }).waitFor();
    result.assertQuiet();
  });

  test('works by keyboard: skip link, search, navigation', async () => {
    const result = await made.open('/');
    const { page } = result;
    await page.keyboard.press('Tab');
    assert.equal(await page.locator(':focus').textContent(), 'Skip to content');
    const palette = page.getByRole('textbox', { name: 'Search or jump to' });
    await page.keyboard.press('Control+k');
    await palette.fill('mod');
    await page.keyboard.press('Escape');
    await palette.waitFor({ state: 'detached' });
    await page.keyboard.press('Control+k');
    await palette.fill('model');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/models');
    await page.keyboard.press('g');
    await page.keyboard.press('e');
    await page.waitForURL('**/endpoints');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await page.keyboard.press('Escape');
    result.assertQuiet();
  });

  test('remembers the colour scheme and applies it before the first paint', async () => {
    const result = await made.open('/', { scheme: 'light' });
    await result.page.getByRole('button', { name: 'Switch to dark' }).click();
    await result.goTo('/models');
    assert.equal(await result.page.locator('html').getAttribute('data-mantine-color-scheme'), 'dark');
    result.assertQuiet();
  });

  test('shows a page for unknown addresses, with a link to the overview', async () => {
    const result = await made.open('/nowhere/at/all');
    await result.page.getByRole('link', { name: 'Open the overview' }).click();
    await result.page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    result.assertQuiet();
  });
});
