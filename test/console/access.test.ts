/** Sign-in and permissions in the console of a server that listens beyond loopback. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { Console, noBrowser } from './browser.ts';

describe('the console of a server beyond loopback', { skip: noBrowser }, () => {
  let made: Console;
  let authorization: { authorization: string };

  before(async () => {
    // The server's certificate is self-signed. This process accepts it, and so does the browser.
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    made = await Console.start({ flags: ['--host', '0.0.0.0', '--tls', 'self-signed'] });
    made.server.url = `https://127.0.0.1:${new URL(made.server.url).port}`;
    authorization = { authorization: `Bearer ${made.server.adminKey}` };
  });
  after(async () => {
    await made?.end();
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  });

  const call = async <Body>(method: string, path: string, body?: unknown): Promise<Body> => {
    const reply = await made.server.call<Body>(method, path, body, authorization);
    assert(reply.status < 300, `${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
    return reply.body;
  };

  test('shows only the sign-in page without a session, and signs in by the link', async () => {
    const result = await made.open('/models');
    const { page } = result;
    await page.getByRole('heading', { name: 'Sign in to Penstock' }).waitFor();
    await result.assertAccessible();
    await result.screenshot('sign-in-light');
    result.assertQuiet(/status of 401/);
    const link = /within 15 minutes: https:\/\/[^/\s]+(\/sign-in#\S+)/.exec(made.server.stderr)?.[1];
    assert(link !== undefined, made.server.stderr);
    await page.goto(link);
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    assert.doesNotMatch(page.url(), /#/);
    await page.getByText(/, admin$/).waitFor();
    result.assertQuiet(/status of 401/);
  });

  test('rejects a used link and accepts a key', async () => {
    const link = /within 15 minutes: https:\/\/[^/\s]+(\/sign-in#\S+)/.exec(made.server.stderr)?.[1] ?? '';
    const result = await made.open(link);
    const { page } = result;
    await page.getByText('Signing in failed.').waitFor();
    await page.getByLabel('Key', { exact: true }).fill(made.server.adminKey);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    result.assertQuiet(/status of 40\d/);
  });

  test('an administrator can change an endpoint, and a viewer sees no actions', async () => {
    await call('POST', '/catalogue/digits-mlp/register', {});
    await call('POST', '/groups/digits-mlp/versions/1/approval', { approval: 'Approved' });
    await call('POST', '/endpoints', { name: 'digits', variants: [{ model: 'digits-mlp/1', functions: {} }] });
    await until('it is in service', async () => (await call<{ status: string }>('GET', '/endpoints/digits')).status === 'InService');
    const admin = await signedIn(made.server.adminKey, '/endpoints/digits?tab=settings');
    await admin.page.getByLabel('Description').fill('changed in a browser');
    await admin.page.getByRole('button', { name: 'Change digits' }).click();
    await until(
      'it is changed',
      async () => (await call<{ description: string }>('GET', '/endpoints/digits')).description === 'changed in a browser',
    );
    admin.assertQuiet(/status of 401/);

    const { id, secret } = await call<{ id: string; secret: string }>('POST', '/keys', { role: 'viewer' });
    const viewer = await signedIn(`${id}:${secret}`, '/endpoints/digits');
    const { page } = viewer;
    await page.getByText('In service').or(page.getByText('At zero')).first().waitFor();
    for (const name of ['Try it', 'Change objective', 'More actions']) {
      assert.equal(await page.getByRole('button', { name }).or(page.getByRole('link', { name })).count(), 0, name);
    }
    await page.getByRole('tab', { name: 'Settings' }).click();
    await page.getByText('changed in a browser').first().waitFor();
    assert.equal(await page.getByRole('textbox').count(), 0);
    await viewer.goTo('/');
    await page.getByRole('link', { name: 'digits', exact: true }).first().waitFor();
    assert.equal(await page.getByRole('link', { name: 'Deploy a model' }).count(), 0);
    viewer.assertQuiet(/status of 401/);
  });

  async function signedIn(key: string, path: string) {
    const result = await made.open(path);
    await result.page.getByLabel('Key', { exact: true }).fill(key);
    await result.page.getByRole('button', { name: 'Sign in' }).click();
    await result.page.getByRole('button', { name: 'Search or jump to' }).waitFor();
    return result;
  }
});
