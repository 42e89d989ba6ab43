/** Jobs, Monitoring and Settings in a browser, on a platform with traffic, jobs and logs. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { AsyncBody, TransformBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { type BrowserView, Console, noBrowser } from './browser.ts';

const pixels = { inputs: [{ name: 'pixels', shape: [1, 64], datatype: 'FP32', data: Array(64).fill(8) }] };

describe('operations', { skip: noBrowser }, () => {
  let made: Console;
  let result: BrowserView;

  before(async () => {
    made = await Console.start();
    const { server } = made;
    await server.callWell('POST', '/catalogue/digits-mlp/register', { group: 'digits' });
    await server.callWell('POST', '/groups/digits/versions/1/approval', { approval: 'Approved' });
    await server.callWell('POST', '/endpoints', { name: 'digits', objective: 'p95<=1s', variants: [{ model: 'digits/1' }] });
    await until('it serves', async () => (await server.callWell<{ status: string }>('GET', '/endpoints/digits')).status === 'InService');
    for (let i = 0; i < 30; i++) {
      await (await fetch(`${server.url}/v2/models/digits/infer`, { method: 'POST', body: JSON.stringify(pixels) })).text();
    }
    const good = await server.callWell<AsyncBody>('POST', '/endpoints/digits/async?inference_id=good-one', pixels);
    const bad = await server.callWell<AsyncBody>('POST', '/endpoints/digits/async?inference_id=bad-one', { inputs: [] });
    for (const { id } of [good, bad]) {
      await until('it has an outcome', async () => (await server.callWell<AsyncBody>('GET', `/async/${id}`)).state !== 'queued', 60_000);
    }
    const input = join(server.dataDir, 'in');
    mkdirSync(input);
    writeFileSync(join(input, 'rows.csv'), `${Array(64).fill('8').join(',')}\n`.repeat(500));
    const transform = { name: 'nightly', model: 'digits/1', input, output: join(server.dataDir, 'out') };
    await server.callWell('POST', '/transforms', transform);
    await until(
      'the transform is done',
      async () => (await server.callWell<TransformBody>('GET', '/transforms/nightly')).state === 'Completed',
      60_000,
    );
    result = await made.open('/jobs');
  });
  after(() => made?.end());

  test('jobs: shows asynchronous requests with their state, retries one, and links to results', async () => {
    const { page } = result;
    const row = (name: string) => page.getByRole('row', { name: new RegExp(name) });
    await row('good-one').getByText('Done').locator('visible=true').waitFor();
    await row('bad-one').getByText('Failed').locator('visible=true').waitFor();
    assert.match(
      (await row('good-one')
        .getByRole('link', { name: /^Result of/ })
        .getAttribute('href')) ?? '',
      /\/async\/.+\/output$/,
    );
    await result.assertAccessible();
    await result.screenshot('jobs-light');
    await row('bad-one')
      .getByRole('button', { name: /^Retry/ })
      .click();
    await page.getByText('Failed', { exact: true }).first().click();
    await page.waitForURL(/state=failed/);
    await row('bad-one').waitFor();
    await row('good-one').waitFor({ state: 'detached' });
    result.assertQuiet();
  });

  test('jobs: shows a transform with its progress and objects', async () => {
    const { page } = result;
    await page.getByRole('tab', { name: 'Transforms' }).click();
    await page
      .getByRole('row', { name: /nightly/ })
      .getByText('100 %, 1 of 1 objects')
      .waitFor();
    await page.getByRole('button', { name: 'nightly' }).click();
    await page.getByRole('table', { name: 'Objects of nightly' }).getByText('rows.csv').waitFor();
    await result.assertAccessible();
    await result.screenshot('jobs-transforms-light');
    result.assertQuiet();
  });

  test('on a phone: jobs show their state, endpoints their in-time share, and tabs scroll in one row', async () => {
    const { page } = await made.open('/jobs', { width: 390, height: 844 });
    await page
      .getByRole('row', { name: /good-one/ })
      .getByText('Done')
      .locator('visible=true')
      .waitFor();
    await page.getByRole('tab', { name: 'Transforms' }).click();
    await page
      .getByRole('row', { name: /nightly/ })
      .getByText('Done')
      .locator('visible=true')
      .waitFor();
    await page.goto('/endpoints');
    await page
      .getByRole('row', { name: /digits/ })
      .getByText(/^\d.* %$/)
      .locator('visible=true')
      .waitFor();
    await page.goto('/endpoints/digits?tab=settings');
    const chosen = page.getByRole('tab', { name: 'Settings' });
    await chosen.waitFor();
    const [list, tab] = [await page.getByRole('tablist').boundingBox(), await chosen.boundingBox()];
    assert(list !== null && tab !== null);
    assert(list.height < 1.5 * tab.height, `tabs of ${tab.height} px in a list of ${list.height} px`);
    assert(tab.x >= list.x && tab.x + tab.width <= list.x + list.width + 1, 'the chosen tab is scrolled into view');
  });

  test('monitoring: shows alarms, events and the audit log, and verifies its chain', async () => {
    const { page } = result;
    await result.goTo('/monitoring');
    // On a busy machine, the alarm of the event loop may fire.
    await page.getByText(/alarms? firing$/).waitFor();
    const group = page.getByRole('button', { name: /^digits (all )?\d/ });
    await group.waitFor({ timeout: 60_000 });
    assert.equal(await page.getByRole('link', { name: 'objective', exact: true }).count(), 0, 'a quiet group is folded');
    await group.click();
    await page.getByRole('link', { name: 'objective', exact: true }).waitFor();
    await page.waitForURL(/open=digits/);
    await result.assertAccessible();
    await result.screenshot('monitoring-alarms-light');
    await page.getByRole('tab', { name: 'Events' }).click();
    await page.getByText('Endpoint in service').first().waitFor();
    await result.assertAccessible();
    await page.getByRole('tab', { name: 'Audit' }).click();
    await page.getByText('CreateEndpoint').first().waitFor();
    await page
      .getByRole('row', { name: /SetApproval/ })
      .getByText('from=PendingManualApproval, to=Approved')
      .waitFor();
    const created = page.getByRole('row', { name: /CreateEndpoint/ });
    await created.getByText('generation=1, ').click();
    await created.getByText('"instanceType": "local.1"').waitFor();
    await page.getByRole('button', { name: 'Verify the chain' }).click();
    await page.getByText(/records, all unmodified/).waitFor();
    await result.assertAccessible();
    await result.screenshot('monitoring-audit-light');
    result.assertQuiet();
  });

  test('monitoring: charts a metric, found by its source', async () => {
    const { page } = result;
    await result.goTo('/monitoring?tab=metrics');
    await page.getByRole('img', { name: /^Latency of digits: p50 / }).waitFor({ timeout: 60_000 });
    await page.getByRole('combobox', { name: 'Metric' }).click();
    await page.getByRole('option', { name: 'BatchRows', exact: true }).click();
    await page.getByRole('img', { name: /^BatchRows of digits: Average / }).waitFor();
    await result.assertAccessible();
    await result.screenshot('monitoring-metrics-light');
    result.assertQuiet();
  });

  test('monitoring: searches and follows logs', async () => {
    const { page } = result;
    await result.goTo('/monitoring?tab=logs&log=requests');
    const rows = page.getByRole('table', { name: 'Requests, latest first' }).locator('tbody tr');
    await rows.getByText('OK').first().waitFor();
    const before = await rows.count();
    await (await fetch(`${made.server.url}/v2/models/digits/infer`, { method: 'POST', body: JSON.stringify(pixels) })).text();
    await until('the new line appears', async () => (await rows.count()) > before, 30_000);
    await page.getByLabel('Filter').fill('nothing-like-this');
    await page.getByRole('button', { name: 'Search', exact: true }).click();
    await page.getByText('No matching requests').waitFor();
    await result.assertAccessible();
    await page.getByLabel('Filter').fill('');
    await page.getByRole('button', { name: 'Search', exact: true }).click();
    await rows.first().waitFor();
    await result.screenshot('monitoring-logs-light');
    await result.goTo('/monitoring?tab=logs');
    await page.getByRole('log').waitFor();
    result.assertQuiet();
  });

  test('a request of the log opens: why it took its time, its other fields, and a link to share', async () => {
    const { server } = made;
    await server.callWell('POST', '/endpoints', { name: 'strict', objective: 'p95<=0.01ms', variants: [{ model: 'digits/1' }] });
    await until('it serves', async () => (await server.endpoint('strict')).status === 'InService');
    const infer = (body: unknown, id: string) =>
      fetch(`${server.url}/v2/models/strict/infer`, { method: 'POST', body: JSON.stringify(body), headers: { 'x-request-id': id } });
    await (await infer(pixels, 'late-one')).text();
    await (await infer({ inputs: [] }, 'wrong-one')).text();
    const view = await made.open('/endpoints/strict?tab=logs');
    const { page } = view;
    const row = (id: string) => page.getByRole('row', { name: new RegExp(id) });
    await row('wrong-one').getByText('Invalid request').waitFor();
    await row('late-one').getByText('Late', { exact: true }).click();
    await page.waitForURL(/request=late-one/);
    await page.getByText(/^Request late-one to strict .* was answered after/).waitFor();
    await page.getByText('instance:local.1', { exact: true }).waitFor();
    await view.assertAccessible();
    await view.screenshot('request-log-light');
    // A shared link explains the request, also if the filter hides its line.
    await view.goTo('/endpoints/strict?tab=logs&request=late-one&filter=wrong-one');
    await page.getByText(/^Request late-one to strict/).waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByText(/^Request late-one to strict/).waitFor({ state: 'detached' });
    view.assertQuiet();
    await server.callWell('DELETE', '/endpoints/strict');
  });

  test('costs: shows them by endpoint and by day, and exports the lines', async () => {
    const view = await made.open('/costs');
    const { page } = view;
    const byEndpoint = page.getByRole('table', { name: 'Costs by endpoint, the most expensive first' });
    await byEndpoint.getByRole('link', { name: 'digits', exact: true }).waitFor();
    await page.getByText(/^at this pace \$|^too early for a forecast$/).waitFor();
    await page.getByRole('img', { name: /^Cost per day: \$/ }).waitFor();
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download CSV' }).click();
    const saved = readFileSync(await (await downloading).path(), 'utf8')
      .trim()
      .split('\n');
    assert.match(saved[0] ?? '', /^from,endpoint,variant,instance_usd,/);
    assert.match(saved[1] ?? '', /^\d{4}-\d\d-\d\dT00:00:00.000Z,digits,AllTraffic,/);
    await view.assertAccessible();
    await view.screenshot('costs-light');
    await page.getByText('24 h', { exact: true }).click();
    await page.waitForURL(/period=24h/);
    await page.getByRole('img', { name: /^Cost per hour: \$/ }).waitFor();
    view.assertQuiet();
  });

  test('settings: shows server and prices; creates a key, shows it once, and revokes it', async () => {
    const { page } = result;
    await result.goTo('/settings');
    await page.getByText('Ready', { exact: true }).waitFor();
    await result.assertAccessible();
    await result.screenshot('settings-light');
    await page.getByRole('tab', { name: 'Prices' }).click();
    await page.getByRole('row', { name: /^local\.1 / }).waitFor();
    await result.assertAccessible();
    await result.screenshot('settings-prices-light');
    await page.getByRole('tab', { name: 'Keys' }).click();
    await page.getByRole('button', { name: 'Create a key' }).click();
    await page.getByLabel('Description').fill('wall display');
    await page.getByRole('button', { name: 'Create viewer key' }).click();
    const shown = await page.getByText(/^export PENSTOCK_KEY=AKIA/).textContent();
    const [, id = '', secret = ''] = /=(AKIA[A-Z2-7]+):(\S+)$/.exec(shown ?? '') ?? [];
    await result.assertAccessible();
    await result.screenshot('settings-keys-light');
    await page.getByRole('button', { name: 'Done' }).click();
    assert.equal((await page.content()).includes(secret), false);
    await page.getByRole('button', { name: `Revoke ${id}` }).click();
    const dialog = page.getByRole('dialog', { name: `Revoke key ${id}?` });
    assert.equal(await dialog.getByRole('button', { name: 'Revoke key' }).isDisabled(), true);
    await dialog.getByLabel('Type the key ID').fill(id);
    await dialog.getByRole('button', { name: 'Revoke key' }).click();
    await page.getByText(id, { exact: true }).waitFor({ state: 'detached' });
    result.assertQuiet();
  });

  test('shows a viewer only permitted actions, and signs out', async () => {
    const { server } = made;
    const { body: key } = await server.call<{ id: string; secret: string }>('POST', '/keys', { role: 'viewer' });
    const viewer = await made.open('/jobs');
    const { page } = viewer;
    assert.equal(
      await page.evaluate(
        (shown) =>
          fetch('/api/v1/session', {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ key: shown }),
          }).then(({ status }) => status),
        `${key.id}:${key.secret}`,
      ),
      201,
    );
    await viewer.goTo('/jobs');
    await page.getByRole('row', { name: /good-one/ }).waitFor();
    assert.equal(await page.getByRole('button', { name: /^(Retry|Cancel)/ }).count(), 0);
    await viewer.goTo('/what-if');
    await page.getByRole('heading', { name: 'Earlier simulations' }).waitFor();
    assert.equal(await page.getByRole('button', { name: /^Simulate/ }).count(), 0);
    await viewer.goTo('/monitoring');
    await page.getByRole('tab', { name: 'Logs' }).waitFor();
    assert.equal(await page.getByRole('tab', { name: 'Audit' }).count(), 0);
    await viewer.goTo('/settings');
    await page.getByRole('tab', { name: 'You' }).click();
    assert.equal(await page.getByRole('tab', { name: 'Keys' }).count(), 0);
    await page.getByText('viewer', { exact: true }).waitFor();
    await page.getByText(/^in \d+ (min|h|d)$/).waitFor();
    viewer.assertQuiet();
    await page.getByRole('button', { name: 'Sign out' }).click();
    // Loopback access needs no key: after signing out, the browser has administrator rights again.
    await page.getByRole('tab', { name: 'Keys' }).waitFor();
  });

  for (const path of [
    '/endpoints',
    '/jobs',
    '/costs',
    '/jobs?tab=transforms',
    '/monitoring',
    '/monitoring?tab=metrics',
    '/monitoring?tab=logs&log=requests',
    '/monitoring?tab=events',
    '/monitoring?tab=rules',
    '/monitoring?tab=audit',
    '/settings',
    '/settings?tab=prices',
    '/settings?tab=keys',
    '/settings?tab=session',
    '/settings?tab=no-such-tab',
  ]) {
    test(`${path} is accessible in dark mode and fits a narrow screen`, async () => {
      const name = path.replace(/^\//, '').replaceAll(/[^a-z]+/g, '-');
      const view = await made.open(path, { scheme: 'dark' });
      await view.page.locator('main :is(.card, .strip, table)').first().waitFor();
      await view.assertAccessible();
      await view.screenshot(`${name}-dark`);
      await view.page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
      await view.screenshot(`${name}-light`);
      await view.page.setViewportSize({ width: 390, height: 844 });
      await view.assertNoSidewaysScroll();
      await view.screenshot(`${name}-390`);
      view.assertQuiet();
      await view.close();
    });
  }
});
