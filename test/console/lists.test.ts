/** Lists longer than a page: the latest at once, the others on the way down or by their address. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Server, temporaryDirectory } from '../end-to-end/server.ts';
import { Console, noBrowser } from './browser.ts';
import { multiplyVersions } from './versions.ts';

describe('a group of 130 versions', { skip: noBrowser }, () => {
  const dataDir = temporaryDirectory();
  let made: Console;
  before(async () => {
    const server = await Server.start({ dataDir });
    await server.callWell('POST', '/catalogue/digits-mlp/register', { group: 'digits' });
    await server.end();
    multiplyVersions(dataDir, 130);
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
    for (const last of [106, 81, 56, 31, 6]) {
      await rows.getByRole('link', { name: `digits/${last}`, exact: true }).waitFor();
      assert.equal(await rows.count(), 131 - last);
      await earlier.click();
    }
    await earlier.waitFor({ state: 'detached' });
    assert.equal(await rows.count(), 130);
    look.assertQuiet();
  });

  test('an address leads to one far down, and compares two', async () => {
    const look = await made.open('/models/digits?version=3&compare=3,130');
    await look.page.getByRole('heading', { name: /^digits\/3\b/ }).waitFor();
    await look.page.getByRole('table', { name: 'digits/3 and digits/130 side by side' }).waitFor();
    look.assertQuiet();
  });

  test('one far down is deployed like any other', async () => {
    await made.server.callWell('POST', '/groups/digits/versions/3/approval', { approval: 'Approved' });
    const look = await made.open('/deploy?model=digits/3&ms=5000');
    await look.page.getByText('pixels f32[N,64] → label i64[N], probabilities f32[N,10].').waitFor();
    await look.page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).waitFor();
    look.assertQuiet();
  });
});
