/** Environments are created, read and deleted in the browser. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { EnvironmentBody, PageBody } from '../../src/api/index.ts';
import { temporaryDirectory } from '../end-to-end/server.ts';
import { python } from '../interpreter.ts';
import { installedUv } from '../python-packages.ts';
import { writeWheel } from '../wheel-fixture.ts';
import { Console, noBrowser } from './browser.ts';

const skip = noBrowser || (python === null ? 'no python3 of 3.9 or newer' : false);

describe('environments', { skip }, () => {
  const dataDir = temporaryDirectory();
  let made: Console;
  before(async () => {
    const wheels = join(dataDir, 'wheels');
    writeWheel(wheels, { name: 'tiny', version: '1.0', requires: ['leaf>=1'] });
    writeWheel(wheels, { name: 'leaf', version: '1.1' });
    const build = { tool: (await installedUv()) ?? 'pip', wheels, offline: true };
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ environments: { build, gone: { python: '/opt/gone/bin/python' } } }));
    made = await Console.start({ dataDir });
  });
  after(async () => {
    await made?.end();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test('an environment is created with its packages, shown with its build log, and deleted', async () => {
    const view = await made.open('/environments');
    const { page } = view;
    await page.getByText('Failed').waitFor(); // the interpreter of config.json that does not exist
    await page.getByRole('button', { name: 'Create an environment' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('churn');
    await dialog.getByLabel('Packages').fill('-r other.txt');
    await dialog.getByRole('button', { name: 'Create environment' }).click();
    await dialog.getByText(/it reads another file/).waitFor();
    await view.assertAccessible();
    await view.screenshot('environment-form-error');
    await dialog.getByLabel('Packages').fill('tiny>=1\n');
    await dialog.getByRole('button', { name: 'Create environment' }).click();
    await page.getByText('Ready').first().waitFor();
    await page.getByText('2 packages', { exact: true }).click();
    await page.getByText('penstock: install the packages').waitFor();
    await view.assertAccessible();
    await view.screenshot('environment');
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Delete environment' }).click();
    await page.getByRole('button', { name: 'churn' }).waitFor({ state: 'detached' });
    const { items } = await made.server.callWell<PageBody<EnvironmentBody>>('GET', '/environments');
    assert.deepEqual(
      items.map(({ name }) => name),
      ['gone'],
    );
    view.assertQuiet(/400|404/);
  });

  test('a failed build shows its reason and its last lines, also on a narrow screen', async () => {
    await made.server.callWell('POST', '/environments', { name: 'bad', packages: ['no-such-package'] });
    const view = await made.open('/environments?name=bad', { width: 390, height: 844 });
    const { page } = view;
    await page.getByText('It could not be built.').waitFor();
    await page.getByRole('region', { name: 'The last lines of the build' }).waitFor();
    await page.getByText('penstock: find versions of the packages').waitFor();
    await view.assertAccessible();
    await view.screenshot('environment-failed-narrow');
    await view.assertNoSidewaysScroll();
    view.assertQuiet(/404/);
  });
});
