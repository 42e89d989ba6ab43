/** Code of a deployer cannot access the server's keys and API. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { intruderBundle, intruderCommand, skip } from './index.ts';
import { TestServer } from './server.ts';

const withoutRoot = process.getuid?.() === 0 ? false : 'separate user ids need root';

interface ScriptResult {
  readonly result?: unknown;
  readonly error?: string;
}

describe("a deployer's serve.py", { skip: skip || withoutRoot }, () => {
  const server = new TestServer([{ match: 'team/python', runtime: 'process', command: intruderCommand }]);
  const run = async (code: string): Promise<ScriptResult> => JSON.parse((await server.invoke('intruder', code)).text) as ScriptResult;

  before(async () => {
    await server.start();
    await server.deploy('intruder', { image: 'team/python', bundle: await intruderBundle() });
    await server.until('intruder', 'InService');
  });
  after(() => server.close());

  test('cannot read keys.json, the database and the configuration', async () => {
    for (const name of ['keys.json', 'state.db', 'config.json']) {
      assert.equal((await run(`result = open('${join(server.directory, name)}').read()`)).error, 'FileNotFoundError');
    }
  });

  test('does not get the rights of the operator when it calls the API without a key', async () => {
    const call = (path: string) => `
import urllib.request, urllib.error
try:
    result = urllib.request.urlopen('${server.url}${path}').status
except urllib.error.HTTPError as error:
    result = error.code
`;
    assert.equal((await run(call('/api/v1/status'))).result, 401);
    assert.equal((await run(call('/api/v1/keys'))).result, 401);
    assert.equal((await fetch(`${server.url}/api/v1/status`)).status, 200, 'the operator still does');
  });

  test('the status shows the isolation mode', async () => {
    assert.deepEqual((await server.call('GET', '/status')).at('isolation'), { mode: 'root', own_users: true, reason: null, advice: null });
  });
});

describe('an image without isolation', { skip }, () => {
  const server = new TestServer([{ match: 'own', runtime: 'process', command: intruderCommand, isolation: 'none' }]);
  before(() => server.start());
  after(() => server.close());

  test('accepts no archive and no variables, because both could contain code', async () => {
    const archive = await server.call('POST', '/groups/g/versions?image=own', await intruderBundle());
    assert.deepEqual([archive.status, archive.at('code')], [400, 'invalid_request']);
    assert.match(archive.text, /takes neither an archive nor variables: got an archive/);
    const environment = encodeURIComponent(JSON.stringify({ LD_PRELOAD: '/tmp/x.so' }));
    const variables = await server.call('POST', `/groups/g/versions?image=own&environment=${environment}`, '');
    assert.match(variables.text, /got variables/);
    const nothing = await server.call('POST', '/groups/g/versions?image=own', '');
    assert.equal(nothing.status, 201, nothing.text);
    assert.equal(nothing.at('version.runtime.isolation'), 'none');
  });
});
