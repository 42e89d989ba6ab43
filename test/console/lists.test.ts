/** Lists longer than a page: the latest at once, the others on the way down or by their address. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Server, temporaryDirectory } from '../end-to-end/server.ts';
import { Console, noBrowser } from './browser.ts';
import { multiplyVersions } from './versions.ts';

describe('a group of sixty versions', { skip: noBrowser }, () => {
  const dataDir = temporaryDirectory();
  let made: Console;
  before(async () => {
    const server = await Server.start({ dataDir });
    await server.callWell('POST', '/catalogue/digits-mlp/register', { group: 'digits' });
    await server.end();
    multiplyVersions(dataDir, 60);
    made = await Console.start({ dataDir });
  });
  after(async () => {
    await made?.end();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test('shows the latest, and earlier ones when asked, down to the first', async () => {
    const look = await made.open('/models/digits');
    const rows = look.page.locator('table.versions tbody tr');
    const earlier = look.page.getByRole('button', { name: 'Show earlier ones' });
    await rows.filter({ hasText: 'digits/36' }).waitFor();
    assert.equal(await rows.count(), 25);
    await earlier.click();
    await rows.filter({ hasText: 'digits/11' }).waitFor();
    await earlier.click();
    await rows.filter({ hasText: 'digits/1' }).last().waitFor();
    await earlier.waitFor({ state: 'detached' });
    assert.equal(await rows.count(), 60);
    look.assertQuiet();
  });

  test('an address leads to one far down, and compares two', async () => {
    const look = await made.open('/models/digits?version=3&compare=3,60');
    await look.page.getByRole('heading', { name: /^digits\/3\b/ }).waitFor();
    await look.page.getByRole('table', { name: 'digits/3 and digits/60 side by side' }).waitFor();
    look.assertQuiet();
  });
});
