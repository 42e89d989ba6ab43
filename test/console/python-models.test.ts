/** Python models in the browser: what is recognised before they are registered, what approving one runs, and how its opening goes. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { GroupBody, PageBody, VersionBody } from '../../src/api/index.ts';
import { python } from '../interpreter.ts';
import { type BrowserView, Console, drop, noBrowser } from './browser.ts';

const skip = noBrowser || (python === null ? 'no python3 of 3.9 or newer' : false);
const file = (name: string): string => join(import.meta.dirname, '../models/python/files', name);

const words = `def length(item):
    return len(item["text"].split())

def predict(items: list[dict]):
    return [{"words": length(item)} for item in items]
`;
/** Is never open, so that the page is seen while it waits. */
const waits = `import time

def load(folder):
    while True:
        time.sleep(0.1)

def predict(items: list[dict]):
    return items
`;
const missing = `import no_such_package_of_penstock

def predict(items: list[dict]):
    return items
`;

describe('Python models in the console', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-console-'));
  let made: Console;
  before(async () => {
    made = await Console.start();
  });
  after(async () => {
    await made?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  function written(name: string, text: string): string {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  }

  async function pictures(view: BrowserView, name: string): Promise<void> {
    await view.screenshot(`${name}-light`);
    await view.page.emulateMedia({ colorScheme: 'dark' });
    await view.page.setViewportSize({ width: 390, height: 844 });
    await view.assertNoSidewaysScroll();
    await view.assertAccessible();
    await view.screenshot(`${name}-390-dark`);
  }

  /** Registers a file of code through the page, up to the card that asks for its approval. */
  async function registered(group: string, text: string): Promise<BrowserView> {
    const view = await made.open('/models?upload=1');
    const { page } = view;
    await drop(view, written('model.py', text));
    await page.getByLabel('Group', { exact: true }).first().fill(group);
    await page.getByRole('button', { name: `Register in ${group}` }).click();
    await page.getByRole('heading', { name: `${group}/1 is pending approval` }).waitFor();
    await page.getByText('It is code: read its files before you approve it.').waitFor();
    return view;
  }

  test('a forest is recognised before it is registered: its library, its columns, what it imports', async () => {
    const view = await made.open('/models?upload=1');
    const { page } = view;
    await drop(view, file('columns.joblib'));
    await page.getByText(/Recognized without running it: scikit-learn in columns\.joblib/).waitFor();
    await page.getByText(/^Needs scikit-learn \d/).waitFor();
    await page.getByText('Its inputs and outputs are known once it is opened').waitFor();
    await page.getByText(/\d imports of known libraries/).waitFor();
    const { items } = await made.server.callWell<PageBody<GroupBody>>('GET', '/groups');
    assert.deepEqual(items, [], 'a preview registers nothing');
    await pictures(view, 'python-preview');
    await page.getByRole('combobox', { name: 'Environment' }).waitFor();
    const rows = page.locator('input[type=file]');
    await rows.setInputFiles({ name: 'rows.xlsx', mimeType: 'application/octet-stream', buffer: Buffer.from('x') });
    await page.getByText('Expected a .csv file with a header, or a .npy, .json, .jsonl or .txt file, got rows.xlsx.').waitFor();
    assert(await page.getByRole('button', { name: 'Register in columns' }).isDisabled());
    await rows.setInputFiles({ name: 'rows.json', mimeType: 'application/json', buffer: Buffer.from('{"instances": [[1, 2, 3, 4]]}') });
    await page.getByText('rows.json, 29 B').waitFor();
    await page.getByRole('button', { name: 'Register in columns' }).click();
    await page.getByRole('heading', { name: 'columns/1 is pending approval' }).waitFor();
    const { python: model } = await made.server.callWell<VersionBody>('GET', '/groups/columns/versions/1');
    assert.deepEqual([model?.state, model?.has_sample], ['registered', true]);
    view.assertQuiet();
  });

  test('a file of XGBoost shows its inputs, and that it holds no code', async () => {
    const view = await made.open('/models?upload=1');
    const { page } = view;
    await drop(view, file('xgboost.json'));
    await page.getByRole('cell', { name: /^f32\[N,/ }).waitFor();
    await page.getByText('It is a file without code.').waitFor();
    await view.assertAccessible();
    await view.screenshot('python-preview-xgboost-light');
    view.assertQuiet();
  });

  test('a pickle that imports other names shows them, and is approved only after they were read', async () => {
    const view = await made.open('/models?upload=1');
    const { page } = view;
    await drop(view, file('call.pkl'));
    await page.getByText('Imports outside of the known libraries').waitFor();
    await page.getByRole('button', { name: 'Register in call' }).click();
    await page.getByRole('heading', { name: 'call/1 is pending approval' }).waitFor();
    const approve = page.getByRole('button', { name: 'Approve' });
    assert(await approve.isDisabled());
    await pictures(view, 'python-approval');
    await page.getByRole('checkbox', { name: /^I have read these names/ }).check();
    assert(await approve.isEnabled());
    view.assertQuiet();
  });

  test('a file that is not a model is rejected with a reason before it is registered', async () => {
    const view = await made.open('/models?upload=1');
    await drop(view, written('model.py', 'import os\n'));
    await view.page.getByText(/has neither a function predict nor a class Model/).waitFor();
    await view.screenshot('python-preview-refused');
    view.assertQuiet(/400/);
  });

  test('own code is opened at its approval, and its form is known after that', async () => {
    const view = await registered('words', words);
    const { page } = view;
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByRole('link', { name: 'Deploy words/1' }).waitFor();
    await pictures(view, 'python-opened');
    view.assertQuiet();
  });

  test('the log of an endpoint shows a traceback as one line, which opens', async () => {
    const { server } = made;
    await server.callWell('POST', '/endpoints', { name: 'words', variants: [{ model: 'words/1' }] });
    await server.inService('words');
    await assert.rejects(server.callWell('POST', '/endpoints/words/invoke', { id: 7 }), /the model failed: KeyError/);
    const view = await made.open('/endpoints/words?tab=logs&log=workers');
    const { page } = view;
    await page.getByText("KeyError: 'text'", { exact: true }).click();
    await page.getByRole('region', { name: "Traceback of KeyError: 'text'" }).getByText('in length').waitFor();
    await pictures(view, 'python-traceback');
    view.assertQuiet();
  });

  test('an opening shows that it goes on, and can be cancelled', async () => {
    const view = await registered('waits', waits);
    const { page } = view;
    await page.getByRole('button', { name: 'Approve' }).click();
    await page
      .getByRole('status')
      .getByText(/^Step 2 of 3: a worker runs its code in the environment default/)
      .waitFor();
    await pictures(view, 'python-opening');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Approve' }).and(page.locator(':enabled')).waitFor();
    view.assertQuiet();
  });

  test('a model that cannot be opened shows why, with the last lines of its output', async () => {
    const view = await registered('missing', missing);
    const { page } = view;
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByText(/The model could not be opened: No module named 'no_such_package_of_penstock'/).waitFor();
    await pictures(view, 'python-failed');
    view.assertQuiet();
  });
});
