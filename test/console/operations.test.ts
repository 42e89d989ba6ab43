/** Jobs, Monitoring and Settings in a browser, of a platform that has served, worked on jobs and said something. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { AsyncBody, TransformBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { Console, type Look, noBrowser } from './browser.ts';

const pixels = { inputs: [{ name: 'pixels', shape: [1, 64], datatype: 'FP32', data: Array(64).fill(8) }] };

describe('operations', { skip: noBrowser }, () => {
  let made: Console;
  let look: Look;

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
    const order = { name: 'nightly', model: 'digits/1', input, output: join(server.dataDir, 'out') };
    await server.callWell('POST', '/transforms', order);
    await until(
      'the transform is done',
      async () => (await server.callWell<TransformBody>('GET', '/transforms/nightly')).state === 'Completed',
      60_000,
    );
    look = await made.open('/jobs');
  });
  after(() => made?.end());

  test('jobs: requests with their outcome, one tried again, the answer to take away', async () => {
    const { page } = look;
    const row = (name: string) => page.getByRole('row', { name: new RegExp(name) });
    await row('good-one').getByText('Answered').waitFor();
    await row('bad-one').getByText('Failed').waitFor();
    assert.match(
      (await row('good-one')
        .getByRole('link', { name: /^Answer of/ })
        .getAttribute('href')) ?? '',
      /\/async\/.+\/output$/,
    );
    await look.assertAccessible();
    await look.screenshot('jobs-light');
    await row('bad-one')
      .getByRole('button', { name: /^Try again/ })
      .click();
    await page.getByText('Failed', { exact: true }).first().click();
    await page.waitForURL(/state=failed/);
    await row('bad-one').waitFor();
    await row('good-one').waitFor({ state: 'detached' });
    look.assertQuiet();
  });

  test('jobs: a transform with its progress and its objects', async () => {
    const { page } = look;
    await page.getByRole('tab', { name: 'Transforms' }).click();
    await page
      .getByRole('row', { name: /nightly/ })
      .getByText('100 %, 1 of 1 objects')
      .waitFor();
    await page.getByRole('button', { name: 'nightly' }).click();
    await page.getByRole('table', { name: 'Objects of nightly' }).getByText('rows.csv').waitFor();
    await look.assertAccessible();
    await look.screenshot('jobs-transforms-light');
    look.assertQuiet();
  });

  test('monitoring: alarms, events and the audit, whose chain is checked', async () => {
    const { page } = look;
    await look.go('/monitoring');
    await page.getByText('No alarm rings').waitFor();
    await page.getByRole('link', { name: 'digits/objective' }).waitFor({ timeout: 60_000 });
    await look.assertAccessible();
    await look.screenshot('monitoring-alarms-light');
    await page.getByRole('tab', { name: 'Events' }).click();
    await page.getByText('endpoint.in-service').first().waitFor();
    await look.assertAccessible();
    await page.getByRole('tab', { name: 'Audit' }).click();
    await page.getByText('CreateEndpoint').first().waitFor();
    await page
      .getByRole('row', { name: /SetApproval/ })
      .getByText('from=PendingManualApproval, to=Approved')
      .waitFor();
    const created = page.getByRole('row', { name: /CreateEndpoint/ });
    await created.getByText('generation=1, ').click();
    await created.getByText('"instanceType": "local.1"').waitFor();
    await page.getByRole('button', { name: 'Check the chain' }).click();
    await page.getByText(/records, all as they were written/).waitFor();
    await look.assertAccessible();
    await look.screenshot('monitoring-audit-light');
    look.assertQuiet();
  });

  test('monitoring: a metric over time, found by whose it is', async () => {
    const { page } = look;
    await look.go('/monitoring?tab=metrics');
    await page.getByRole('img', { name: /^Latency of digits: p50 / }).waitFor({ timeout: 60_000 });
    await page.getByRole('combobox', { name: 'Metric' }).click();
    await page.getByRole('option', { name: 'BatchRows', exact: true }).click();
    await page.getByRole('img', { name: /^BatchRows of digits: Average / }).waitFor();
    await look.assertAccessible();
    await look.screenshot('monitoring-metrics-light');
    look.assertQuiet();
  });

  test('monitoring: logs are searched and followed', async () => {
    const { page } = look;
    await look.go('/monitoring?tab=logs&log=requests');
    const log = page.getByRole('log');
    await log
      .getByText(/^digits: ok in/)
      .first()
      .waitFor();
    const before = await log.locator('p').count();
    await (await fetch(`${made.server.url}/v2/models/digits/infer`, { method: 'POST', body: JSON.stringify(pixels) })).text();
    await until('the line comes by itself', async () => (await log.locator('p').count()) > before, 30_000);
    await page.getByLabel('Filter').fill('nothing-like-this');
    await page.getByRole('button', { name: 'Search', exact: true }).click();
    await log.getByText('No line matches').waitFor();
    await look.assertAccessible();
    await page.getByLabel('Filter').fill('');
    await page.getByRole('button', { name: 'Search', exact: true }).click();
    await log
      .getByText(/^digits: ok in/)
      .first()
      .waitFor();
    await look.screenshot('monitoring-logs-light');
    look.assertQuiet();
  });

  test('settings: the server, its prices, and a key that is made, shown once, and revoked', async () => {
    const { page } = look;
    await look.go('/settings');
    await page.getByText('Ready', { exact: true }).waitFor();
    await look.assertAccessible();
    await look.screenshot('settings-light');
    await page.getByRole('tab', { name: 'Prices' }).click();
    await page.getByRole('row', { name: /^local\.1 / }).waitFor();
    await look.assertAccessible();
    await look.screenshot('settings-prices-light');
    await page.getByRole('tab', { name: 'Keys' }).click();
    await page.getByRole('button', { name: 'Create a key' }).click();
    await page.getByLabel('For whom, for what').fill('wall display');
    await page.getByRole('button', { name: 'Create key of role viewer' }).click();
    const shown = await page.getByText(/^export PENSTOCK_KEY=AKIA/).textContent();
    const [, id = '', secret = ''] = /=(AKIA[A-Z2-7]+):(\S+)$/.exec(shown ?? '') ?? [];
    await look.assertAccessible();
    await look.screenshot('settings-keys-light');
    await page.getByRole('button', { name: 'I have it' }).click();
    assert.equal((await page.content()).includes(secret), false);
    await page.getByRole('button', { name: `Revoke ${id}` }).click();
    const dialog = page.getByRole('dialog', { name: `Revoke key ${id}?` });
    assert.equal(await dialog.getByRole('button', { name: 'Revoke key' }).isDisabled(), true);
    await dialog.getByLabel('Type the id of the key').fill(id);
    await dialog.getByRole('button', { name: 'Revoke key' }).click();
    await page.getByText(id, { exact: true }).waitFor({ state: 'detached' });
    look.assertQuiet();
  });

  test('a viewer who has signed in by key sees no action that is not theirs, and signs out', async () => {
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
    await viewer.go('/jobs');
    await page.getByRole('row', { name: /good-one/ }).waitFor();
    assert.equal(await page.getByRole('button', { name: /^(Try|Cancel)/ }).count(), 0);
    await viewer.go('/what-if');
    await page.getByRole('heading', { name: 'Earlier simulations' }).waitFor();
    assert.equal(await page.getByRole('button', { name: /^Simulate/ }).count(), 0);
    await viewer.go('/monitoring');
    await page.getByRole('tab', { name: 'Logs' }).waitFor();
    assert.equal(await page.getByRole('tab', { name: 'Audit' }).count(), 0);
    await viewer.go('/settings');
    await page.getByRole('tab', { name: 'You' }).click();
    assert.equal(await page.getByRole('tab', { name: 'Keys' }).count(), 0);
    await page.getByText('viewer', { exact: true }).waitFor();
    viewer.assertQuiet();
    await page.getByRole('button', { name: 'Sign out' }).click();
    // On this machine nobody needs a key: who signs out is its administrator again.
    await page.getByRole('tab', { name: 'Keys' }).waitFor();
  });

  for (const path of [
    '/endpoints',
    '/jobs',
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
    test(`${path} is there in both themes and on a narrow screen`, async () => {
      const name = path.replace(/^\//, '').replaceAll(/[^a-z]+/g, '-');
      const seen = await made.open(path, { scheme: 'dark' });
      await seen.page.locator('main :is(.card, .strip, table)').first().waitFor();
      await seen.assertAccessible();
      await seen.screenshot(`${name}-dark`);
      await seen.page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
      await seen.screenshot(`${name}-light`);
      await seen.page.setViewportSize({ width: 390, height: 844 });
      await seen.assertNoSidewaysScroll();
      await seen.screenshot(`${name}-390`);
      seen.assertQuiet();
      await seen.close();
    });
  }
});
