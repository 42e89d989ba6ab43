/** Models in a browser: upload, approval, rejection, comparison, deployment from the catalogue, deletion. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { withExternalData } from '../models/external.ts';
import { modelPath } from '../models/index.ts';
import { Console, drop, noBrowser } from './browser.ts';

describe('models in the console', { skip: noBrowser }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
  });
  after(() => made?.end());

  test('offers an upload on an empty platform and previews the file before registering it', async () => {
    const result = await made.open('/models');
    const { page } = result;
    await page.getByText('Drop an ONNX or Python model here').waitFor();
    await result.screenshot('models-empty');
    await drop(result, modelPath('digits_mlp'));
    await page.getByRole('cell', { name: 'f32[N,64]' }).waitFor();
    await page.getByText(/Loads in a worker, opset/).waitFor();
    await page.getByText(/^Can be batched/).waitFor();
    assert.equal((await made.server.callWell<{ items: unknown[] }>('GET', '/groups')).items.length, 0, 'a preview registers nothing');
    await page.getByLabel('Group', { exact: true }).first().fill('digits');
    await page.getByRole('textbox', { name: 'Description' }).fill('MLP 64-32');
    await page.getByRole('textbox', { name: 'Accuracy' }).fill('0.978');
    await result.screenshot('models-upload');
    await result.assertAccessible();
    await page.getByRole('button', { name: 'Register in digits' }).click();
    await page.getByRole('heading', { name: 'digits/1 is pending approval' }).waitFor();
    result.assertQuiet();
  });

  test('rejects a file that is not a model and accepts another one', async () => {
    const result = await made.open('/models?upload=1');
    const { page } = result;
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'notes.onnx', mimeType: 'application/octet-stream', buffer: Buffer.from('no model') });
    await page.getByText('notes.onnx cannot be served.').waitFor();
    await page.getByRole('button', { name: 'Choose another model' }).click();
    await page.getByText('Drop an ONNX or Python model here').waitFor();
    result.assertQuiet(/400/);
  });

  test('takes a model and its data file together, and says so if it is unclear which file is the model', async () => {
    const result = await made.open('/models?upload=1');
    const { page } = result;
    const folder = mkdtempSync(join(tmpdir(), 'penstock-console-'));
    try {
      const { model, data } = withExternalData(readFileSync(modelPath('digits_mlp')));
      const [at, dataAt] = [join(folder, 'large_net.onnx'), join(folder, 'model.onnx.data')];
      writeFileSync(at, model);
      writeFileSync(dataAt, data);
      await drop(result, at, modelPath('digits_cnn'), dataAt);
      await page.getByText('Expected one .onnx file and its data files, got large_net.onnx, digits_cnn.onnx.').waitFor();
      await result.screenshot('models-upload-unclear');
      await drop(result, at);
      await page.getByText(/data file model\.onnx\.data is missing/).waitFor();
      await page.getByRole('button', { name: 'Choose another model' }).click();
      await drop(result, dataAt, at);
      await page.getByText('with model.onnx.data').waitFor();
      await page.getByRole('cell', { name: 'f32[N,64]' }).waitFor();
      await result.screenshot('models-upload-data');
      await result.assertAccessible();
      await page.getByRole('button', { name: 'Register in large-net' }).click();
      await page.getByRole('heading', { name: 'large-net/1 is pending approval' }).waitFor();
    } finally {
      rmSync(folder, { recursive: true });
    }
    result.assertQuiet(/400/);
  });

  test('approves a version with a comment, which the history shows', async () => {
    const result = await made.open('/models/digits');
    const { page } = result;
    await page.getByRole('textbox', { name: 'Comment' }).fill('0.978 on held-out rows');
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByRole('link', { name: 'Deploy digits/1' }).waitFor();
    await page.getByRole('tab', { name: 'History' }).click();
    await page.getByRole('heading', { name: /^digits\/1 was approved by/ }).waitFor();
    await page.getByText('0.978 on held-out rows').waitFor();
    result.assertQuiet();
  });

  test('warns about a version that breaks clients and rejects it with a reason', async () => {
    const result = await made.open('/models/digits?upload=1');
    const { page } = result;
    await page.locator('input[type=file]').setInputFiles(modelPath('digits_cnn'));
    await page.getByRole('cell', { name: 'f32[N,1,8,8]' }).waitFor();
    await page.getByRole('textbox', { name: 'Accuracy' }).fill('0.998');
    await page.getByRole('button', { name: 'Register in digits' }).click();
    await page.getByRole('heading', { name: 'digits/2 is pending approval' }).waitFor();
    await page.getByText(/Input changed: pixels f32\[N,64\] to image f32\[N,1,8,8\]/).waitFor();
    await page.getByRole('button', { name: 'Reject…' }).click();
    const reject = page.getByRole('button', { name: 'Reject digits/2' });
    assert(await reject.isDisabled(), 'a rejection requires a reason');
    await page.getByRole('textbox', { name: 'Reason for rejection' }).fill('clients cannot follow yet');
    await reject.click();
    await page.getByRole('cell', { name: 'Rejected', exact: true }).waitFor();
    result.assertQuiet();
  });

  test('compares two versions: signature, metrics, profile, and cost at an objective', async () => {
    const result = await made.open('/models/digits');
    const { page } = result;
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
    result.assertQuiet();
  });

  for (const scheme of ['light', 'dark'] as const) {
    test(`is accessible, ${scheme}`, async () => {
      const result = await made.open('/models/digits', { scheme });
      await result.page.getByRole('img', { name: /^Service time by batch size/ }).waitFor();
      await result.page.getByRole('img', { name: /^Quality against cost/ }).waitFor();
      await result.assertAccessible();
      await result.screenshot(`model-${scheme}`);
      await result.goTo('/models');
      await result.page.getByRole('button', { name: /Deploy for .* iris-rf/ }).waitFor();
      await result.assertAccessible();
      await result.screenshot(`models-${scheme}`);
      result.assertQuiet();
    });
  }

  test('fits a screen of 390 px', async () => {
    const result = await made.open('/models/digits', { width: 390, height: 844 });
    await result.page.getByRole('img', { name: /^Service time by batch size/ }).waitFor();
    await result.assertNoSidewaysScroll();
    await result.screenshot('model-390');
    await result.goTo('/models?upload=1');
    await result.page.locator('input[type=file]').setInputFiles(modelPath('digits_mlp'));
    await result.page.getByText('This file is already registered.').waitFor();
    await result.assertNoSidewaysScroll();
    await result.assertAccessible();
    result.assertQuiet();
  });

  test('deploys a catalogue model with one click', async () => {
    const result = await made.open('/models');
    const { page } = result;
    await page.getByRole('button', { name: /^Deploy for \$0\.043 per hour.* iris-rf$/ }).click();
    await page.waitForURL('**/endpoints/iris-rf');
    await made.server.inService('iris-rf');
    const { objective, variants } = await made.server.endpoint('iris-rf');
    assert.deepEqual([objective, variants[0]?.model], ['p95<=50ms', 'iris-rf/1']);
    result.assertQuiet();
  });

  test('requires the name to delete a version and rejects it while the version is in use', async () => {
    const result = await made.open('/models/iris-rf');
    const { page } = result;
    await page.getByRole('button', { name: 'More about iris-rf/1' }).click();
    await page.getByRole('menuitem', { name: 'Delete…' }).click();
    const dialog = page.getByRole('dialog');
    const button = dialog.getByRole('button', { name: 'Delete version' });
    assert(await button.isDisabled());
    await dialog.getByRole('textbox').fill('iris-rf/1');
    await button.click();
    await dialog.getByText(/is used by iris-rf/i).waitFor();
    result.assertQuiet(/409/);
  });
});
