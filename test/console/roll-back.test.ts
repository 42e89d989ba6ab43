/** An update is taken back by hand in the console, and an endpoint goes back to the version before. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Console, noBrowser } from './browser.ts';

describe('going back in the console', { skip: noBrowser }, () => {
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

  /** Deploy names no version that was taken back by itself, and says of it that it was, also where it is asked for. */
  async function proposesTheOneBefore(): Promise<void> {
    const look = await made.open('/deploy');
    const { page } = look;
    const version = page.getByRole('combobox', { name: 'Model version' });
    await page.getByText('digits/2 was taken back').waitFor();
    assert.equal(await version.inputValue(), 'digits/1');
    await version.click();
    await page.getByRole('option', { name: /digits\/2.*taken back by digits/s }).click();
    await page.waitForURL(/model=digits%2F2|model=digits\/2/);
    await page.getByText('digits/2 was taken back').waitFor();
    await look.assertAccessible();
    look.assertQuiet();
  }

  test('an update under way is taken back where both versions are shown, once it is confirmed', async () => {
    const { server } = made;
    const steps = [{ percent: 100, watch_s: 600 }];
    await server.callWell('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/2' }], rollout: { steps, alarms: [] } });
    const look = await made.open('/endpoints/digits?tab=variants');
    const { page } = look;
    await page.getByRole('button', { name: 'Take the update back' }).click();
    const dialog = page.getByRole('dialog', { name: 'Take the update of digits back?' });
    await dialog.getByText('digits/2 gets no more requests').waitFor();
    await look.screenshot('roll-back-light');
    await look.assertAccessible();
    await dialog.getByRole('button', { name: 'Take back' }).click();
    await dialog.waitFor({ state: 'detached' });
    await serves('digits/1');
    look.assertQuiet();
  });

  test('where none is under way, the version before is gone back to; where there is none, it is said', async () => {
    const { server } = made;
    await server.callWell('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/2' }] });
    await serves('digits/2');
    const { page } = await made.open('/endpoints/digits');
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Go back to the version before' }).click();
    const dialog = page.getByRole('dialog', { name: 'Go back to the version before digits/2?' });
    await dialog.getByRole('button', { name: 'Go back' }).click();
    await dialog.waitFor({ state: 'detached' });
    await serves('digits/1');
    const look = await made.open('/models/digits?version=2');
    await look.page
      .getByRole('row', { name: /digits\/2/ })
      .getByText('taken back by digits')
      .waitFor();
    await look.page.getByRole('definition').filter({ hasText: 'by digits. ' }).waitFor();
    await look.page.getByRole('link', { name: 'Deploy digits/1' }).waitFor();
    assert.equal(await look.page.getByRole('link', { name: 'Deploy digits/2' }).count(), 0);
    await look.assertAccessible();
    await look.screenshot('model-taken-back-light');
    await look.page.setViewportSize({ width: 390, height: 844 });
    await look.assertNoSidewaysScroll();
    await look.screenshot('model-taken-back-390');
    look.assertQuiet();
    await proposesTheOneBefore();
    await server.deploy('alone', 'digits_rf');
    await server.callWell('PATCH', '/endpoints/alone', { late: 'shed' });
    await page.goto('/endpoints/alone');
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Go back to the version before' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Go back' }).click();
    await page
      .getByRole('dialog')
      .getByText(/serves alone\/1, and no version .* is left: there is nothing to go back to/)
      .waitFor();
  });
});
