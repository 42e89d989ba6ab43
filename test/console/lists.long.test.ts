/** Lists longer than a page: the latest entries first, earlier ones on request or by URL. */
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

  test('shows the latest versions, and earlier ones on request, down to the first', async () => {
    const result = await made.open('/models/digits');
    const rows = result.page.locator('table.versions tbody tr');
    const earlier = result.page.getByRole('button', { name: 'Show earlier entries' });
    for (const last of [106, 81, 56, 31, 6]) {
      await rows.getByRole('link', { name: `digits/${last}`, exact: true }).waitFor();
      assert.equal(await rows.count(), 131 - last);
      await earlier.click();
    }
    await earlier.waitFor({ state: 'detached' });
    assert.equal(await rows.count(), 130);
    result.assertQuiet();
  });

  test('opens an old version by URL and compares it', async () => {
    const result = await made.open('/models/digits?version=3&compare=3,130');
    await result.page.getByRole('heading', { name: /^digits\/3\b/ }).waitFor();
    await result.page.getByRole('table', { name: 'digits/3 and digits/130 side by side' }).waitFor();
    result.assertQuiet();
  });

  test('deploys an old version like any other', async () => {
    await made.server.callWell('POST', '/groups/digits/versions/3/approval', { approval: 'Approved' });
    const result = await made.open('/deploy?model=digits/3&ms=5000');
    await result.page.getByText('pixels f32[N,64] → label i64[N], probabilities f32[N,10].').waitFor();
    await result.page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).waitFor();
    result.assertQuiet();
  });
});
