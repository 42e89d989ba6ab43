/** Who may look at the console of a server that listens for others, and what they are shown. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { Console, noBrowser } from './browser.ts';

describe('the console of a server beyond loopback', { skip: noBrowser }, () => {
  let made: Console;
  let authorization: { authorization: string };

  before(async () => {
    // The certificate is one that the server has made for itself; this process trusts it, as the browser is told to.
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

  test('shows nothing to strangers but the way in, and lets in whoever has the link', async () => {
    const look = await made.open('/models');
    const { page } = look;
    await page.getByRole('heading', { name: 'Sign in to Penstock' }).waitFor();
    await look.assertAccessible();
    await look.screenshot('sign-in-light');
    look.assertQuiet(/status of 401/);
    const link = /within 15 minutes: https:\/\/[^/\s]+(\/sign-in#\S+)/.exec(made.server.stderr)?.[1];
    assert(link !== undefined, made.server.stderr);
    await page.goto(link);
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    assert.doesNotMatch(page.url(), /#/);
    await page.getByText(/, admin$/).waitFor();
    look.assertQuiet(/status of 401/);
  });

  test('a link that was used says so, and a key opens as well', async () => {
    const link = /within 15 minutes: https:\/\/[^/\s]+(\/sign-in#\S+)/.exec(made.server.stderr)?.[1] ?? '';
    const look = await made.open(link);
    const { page } = look;
    await page.getByText('You were not let in.').waitFor();
    await page.getByLabel('Key', { exact: true }).fill(made.server.adminKey);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    look.assertQuiet(/status of 40\d/);
  });

  test('whoever signed in changes things, and a viewer is shown no way to', async () => {
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
    await viewer.go('/');
    await page.getByRole('link', { name: 'digits', exact: true }).first().waitFor();
    assert.equal(await page.getByRole('link', { name: 'Deploy a model' }).count(), 0);
    viewer.assertQuiet(/status of 401/);
  });

  async function signedIn(key: string, path: string) {
    const look = await made.open(path);
    await look.page.getByLabel('Key', { exact: true }).fill(key);
    await look.page.getByRole('button', { name: 'Sign in' }).click();
    await look.page.getByRole('button', { name: 'Search or jump to' }).waitFor();
    return look;
  }
});
