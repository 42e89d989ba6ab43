/** Models in a browser: from an empty platform to approved versions, side by side; what a viewer does not see. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { modelPath } from '../models/index.ts';
import { Console, drop, noBrowser } from './browser.ts';

describe('models in the console', { skip: noBrowser }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
  });
  after(() => made?.end());

  test('an empty platform offers a place for a file, which is looked at before it becomes a version', async () => {
    const look = await made.open('/models');
    const { page } = look;
    await page.getByText('Drop an ONNX file here').waitFor();
    await look.screenshot('models-empty');
    await drop(look, modelPath('digits_mlp'));
    await page.getByRole('cell', { name: 'f32[N,64]' }).waitFor();
    await page.getByText(/Opens in a worker, opset/).waitFor();
    await page.getByText(/^May be batched/).waitFor();
    assert.equal((await made.server.callWell<{ items: unknown[] }>('GET', '/groups')).items.length, 0, 'nothing is registered by a look');
    await page.getByLabel('Group', { exact: true }).first().fill('digits');
    await page.getByRole('textbox', { name: 'Description' }).fill('MLP 64-32');
    await page.getByRole('textbox', { name: 'Accuracy' }).fill('0.978');
    await look.screenshot('models-upload');
    await look.assertAccessible();
    await page.getByRole('button', { name: 'Register in digits' }).click();
    await page.getByRole('heading', { name: 'digits/1 waits for you' }).waitFor();
    look.assertQuiet();
  });

  test('what is no model is refused, and the next file may be better', async () => {
    const look = await made.open('/models?upload=1');
    const { page } = look;
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'notes.onnx', mimeType: 'application/octet-stream', buffer: Buffer.from('no model') });
    await page.getByText('notes.onnx cannot be served.').waitFor();
    await page.getByRole('button', { name: 'Other file' }).click();
    await page.getByText('Drop an ONNX file here').waitFor();
    look.assertQuiet(/400/);
  });

  test('is approved with a comment, which stays with the version', async () => {
    const look = await made.open('/models/digits');
    const { page } = look;
    await page.getByRole('textbox', { name: 'Comment' }).fill('0.978 on rows that it never saw');
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByRole('link', { name: 'Deploy digits/1' }).waitFor();
    await page.getByRole('tab', { name: 'History' }).click();
    await page.getByRole('heading', { name: /^digits\/1 was approved by/ }).waitFor();
    await page.getByText('0.978 on rows that it never saw').waitFor();
    look.assertQuiet();
  });

  test('a version that would break clients says so, and is rejected with a reason', async () => {
    const look = await made.open('/models/digits?upload=1');
    const { page } = look;
    await page.locator('input[type=file]').setInputFiles(modelPath('digits_cnn'));
    await page.getByRole('cell', { name: 'f32[N,1,8,8]' }).waitFor();
    await page.getByRole('textbox', { name: 'Accuracy' }).fill('0.998');
    await page.getByRole('button', { name: 'Register in digits' }).click();
    await page.getByRole('heading', { name: 'digits/2 waits for you' }).waitFor();
    await page.getByText(/Input changed: pixels f32\[N,64\] to image f32\[N,1,8,8\]/).waitFor();
    await page.getByRole('button', { name: 'Reject…' }).click();
    const reject = page.getByRole('button', { name: 'Reject digits/2' });
    assert(await reject.isDisabled(), 'not without a reason');
    await page.getByRole('textbox', { name: 'Why it is rejected' }).fill('clients cannot follow yet');
    await reject.click();
    await page.getByRole('cell', { name: 'Rejected', exact: true }).waitFor();
    look.assertQuiet();
  });

  test('two versions stand side by side: signature, metrics, profile, and cost at an objective', async () => {
    const look = await made.open('/models/digits');
    const { page } = look;
    const compared = page.getByRole('table', { name: 'digits/1 and digits/2 side by side' });
    await compared
      .getByRole('row', { name: /^Input/ })
      .getByText('breaks clients')
      .waitFor();
    await compared
      .getByRole('row', { name: /^Accuracy/ })
      .getByText('+0.020')
      .waitFor();
    await compared
      .getByRole('row', { name: /^Service time, 16 rows/ })
      .getByText(/s$/)
      .first()
      .waitFor();
    await compared
      .getByRole('row', { name: /^Per million requests/ })
      .getByText(/^\$/)
      .first()
      .waitFor();
    await page.getByRole('img', { name: /^Service time by batch size\. digits\/1: .* digits\/2: / }).waitFor();
    await page.getByRole('img', { name: /^Quality against cost per million requests/ }).waitFor();
    await page.getByRole('checkbox', { name: 'Differences only' }).check();
    assert.equal(await compared.getByRole('row', { name: /^Opset/ }).count(), 0);
    await page.getByRole('combobox', { name: 'Cost and latency predicted at' }).or(page.locator('#compare-objective')).first().click();
    await page.getByRole('option', { name: 'p95 ≤ 250 ms' }).click();
    await page.waitForURL(/at=p95/);
    await page.getByRole('checkbox', { name: 'Compare digits/1' }).uncheck();
    await page.waitForURL(/compare=2/);
    await page.goBack();
    look.assertQuiet();
  });

  for (const scheme of ['light', 'dark'] as const) {
    test(`looks right and is usable by everybody, ${scheme}`, async () => {
      const look = await made.open('/models/digits', { scheme });
      await look.page.getByRole('img', { name: /^Service time by batch size/ }).waitFor();
      await look.page.getByRole('img', { name: /^Quality against cost/ }).waitFor();
      await look.assertAccessible();
      await look.screenshot(`model-${scheme}`);
      await look.go('/models');
      await look.page.getByRole('button', { name: /Deploy for .* iris-rf/ }).waitFor();
      await look.assertAccessible();
      await look.screenshot(`models-${scheme}`);
      look.assertQuiet();
    });
  }

  test('fits a screen of 390 px', async () => {
    const look = await made.open('/models/digits', { width: 390, height: 844 });
    await look.page.getByRole('img', { name: /^Service time by batch size/ }).waitFor();
    await look.assertNoSidewaysScroll();
    await look.screenshot('model-390');
    await look.go('/models?upload=1');
    await look.page.locator('input[type=file]').setInputFiles(modelPath('digits_mlp'));
    await look.page.getByText('These bytes are known.').waitFor();
    await look.assertNoSidewaysScroll();
    await look.assertAccessible();
    look.assertQuiet();
  });

  test('a ready model serves after one click', async () => {
    const look = await made.open('/models');
    const { page } = look;
    await page.getByRole('button', { name: /^Deploy for \$0\.043 per hour.* iris-rf$/ }).click();
    await page.waitForURL('**/endpoints/iris-rf');
    await made.server.inService('iris-rf');
    const { objective, variants } = await made.server.endpoint('iris-rf');
    assert.deepEqual([objective, variants[0]?.model], ['p95<=50ms', 'iris-rf/1']);
    look.assertQuiet();
  });

  test('a version is deleted only by its name, and not while it serves', async () => {
    const look = await made.open('/models/iris-rf');
    const { page } = look;
    await page.getByRole('button', { name: 'More about iris-rf/1' }).click();
    await page.getByRole('menuitem', { name: 'Delete…' }).click();
    const dialog = page.getByRole('dialog');
    const button = dialog.getByRole('button', { name: 'Delete version' });
    assert(await button.isDisabled());
    await dialog.getByRole('textbox').fill('iris-rf/1');
    await button.click();
    await dialog.getByText(/is used by iris-rf/i).waitFor();
    look.assertQuiet(/409/);
  });
});
