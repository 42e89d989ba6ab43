/** Manual rollbacks in the console: of an update in progress, and to the previous version. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Response } from 'playwright-core';
import { until } from '../end-to-end/poll.ts';
import { Console, noBrowser } from './browser.ts';

function isPlanOf(response: Response, model: string): boolean {
  if (!response.url().endsWith('/plan/deployment')) return false;
  return (response.request().postDataJSON() as { readonly model: string }).model === model;
}

describe('rollback in the console', { skip: noBrowser }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
    await made.server.deploy('digits', 'digits_mlp');
    await made.server.approve(await made.server.register('digits', 'digits_logreg'));
  });
  after(() => made?.end());

  async function serves(model: string): Promise<void> {
    const { variants } = await made.server.inService('digits');
    assert.equal(variants[0]?.model, model);
  }

  /** The deploy page does not propose a version that was rolled back, and warns if it is chosen. */
  async function proposesPreviousVersion(): Promise<void> {
    const result = await made.open('/deploy');
    const { page } = result;
    const version = page.getByRole('combobox', { name: 'Model version' });
    await page.getByText('digits/2 was rolled back').waitFor();
    await until('digits/1 is proposed', async () => (await version.inputValue()) === 'digits/1');
    await version.click();
    // The plan of digits/1 is dimmed until that of digits/2 has arrived, which may have to measure it first.
    const planned = page.waitForResponse((response) => isPlanOf(response, 'digits/2'));
    await page.getByRole('option', { name: /digits\/2.*rolled back by digits/s }).click();
    await page.waitForURL(/model=digits%2F2|model=digits\/2/);
    await page.getByText('digits/2 was rolled back').waitFor();
    await planned;
    await page.locator('.plan:not(.old)').waitFor();
    await result.assertAccessible();
    result.assertQuiet();
  }

  test('rolls back an update in progress after a confirmation', async () => {
    const { server } = made;
    const steps = [{ percent: 100, watch_s: 600 }];
    await server.callWell('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/2' }], rollout: { steps, alarms: [] } });
    const result = await made.open('/endpoints/digits?tab=variants');
    const { page } = result;
    await page.getByRole('button', { name: 'Roll back the update' }).click();
    const dialog = page.getByRole('dialog', { name: 'Roll back the update of digits?' });
    await dialog.getByText('digits/2 receives no more requests').waitFor();
    await result.screenshot('roll-back-light');
    await result.assertAccessible();
    await dialog.getByRole('button', { name: 'Roll back' }).click();
    await dialog.waitFor({ state: 'detached' });
    await serves('digits/1');
    result.assertQuiet();
  });

  test('rolls back to the previous version, and reports if there is none', async () => {
    const { server } = made;
    await server.callWell('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/2' }] });
    await serves('digits/2');
    const { page } = await made.open('/endpoints/digits');
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Roll back to the previous version' }).click();
    const dialog = page.getByRole('dialog', { name: 'Roll back digits to the version before digits/2?' });
    await dialog.getByRole('button', { name: 'Roll back' }).click();
    await dialog.waitFor({ state: 'detached' });
    await serves('digits/1');
    const result = await made.open('/models/digits?version=2');
    await result.page
      .getByRole('row', { name: /digits\/2/ })
      .getByText('rolled back by digits')
      .waitFor();
    await result.page.getByRole('definition').filter({ hasText: 'by digits. ' }).waitFor();
    await result.page.getByRole('link', { name: 'Deploy digits/1' }).waitFor();
    assert.equal(await result.page.getByRole('link', { name: 'Deploy digits/2' }).count(), 0);
    await result.assertAccessible();
    await result.screenshot('model-rolled-back-light');
    await result.page.setViewportSize({ width: 390, height: 844 });
    await result.assertNoSidewaysScroll();
    await result.screenshot('model-rolled-back-390');
    result.assertQuiet();
    await proposesPreviousVersion();
    await server.deploy('alone', 'digits_rf');
    await server.callWell('PATCH', '/endpoints/alone', { late: 'shed' });
    await page.goto('/endpoints/alone');
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Roll back to the previous version' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click();
    await page
      .getByRole('dialog')
      .getByText(/serves alone\/1, and no earlier .* remains: there is nothing to roll back to/)
      .waitFor();
  });
});
