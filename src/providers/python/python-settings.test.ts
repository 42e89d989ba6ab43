import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pythonSettings } from './python-settings.ts';

const local = { host: '127.0.0.1', tls: 'off' };

test('Python models run after their approval on a server that only this machine reaches, and not by default on any other', () => {
  assert.equal(pythonSettings(null, local).run, 'after-approval');
  assert.equal(pythonSettings(null, { host: '0.0.0.0', tls: 'files' }).run, 'off');
  assert.equal(pythonSettings(null, { ...local, tls: 'files' }).run, 'off');
  assert.equal(pythonSettings({ run: 'after-approval' }, { host: '0.0.0.0', tls: 'files' }).run, 'after-approval');
});

test('a model is opened without network, within 4 GiB and two minutes, unless config.json says otherwise', () => {
  const { network, openMemoryMiB, openTimeoutMs } = pythonSettings({}, local);
  assert.deepEqual([network, openMemoryMiB, openTimeoutMs], ['none', 4096, 120_000]);
  const set = pythonSettings({ network: 'host', forkServer: false, openMemory: '512MiB', openTimeout: '90s' }, local);
  assert.deepEqual(set, { run: 'after-approval', network: 'host', forkServer: false, openMemoryMiB: 512, openTimeoutMs: 90_000 });
});

describe('a wrong setting is rejected with what is expected:', () => {
  for (const [provided, message] of [
    [{ runs: 'off' }, /unknown setting python\.runs in config\.json: expected run, network, forkServer/],
    [{ run: 'on' }, /python\.run in config\.json: expected one of after-approval, off, got "on"/],
    [{ network: true }, /python\.network .* expected one of none, host, got true/],
    [{ forkServer: 'yes' }, /python\.forkServer .* expected true or false, got "yes"/],
    [{ openMemory: '1MiB' }, /python\.openMemory .* expected a size from 256MiB to 1024GiB, such as "4GiB", got "1MiB"/],
    [{ openMemory: 4096 }, /python\.openMemory .* got 4096/],
    [{ openTimeout: '1ms' }, /python\.openTimeout .* such as "120s", got "1ms"/],
  ] as const) {
    test(JSON.stringify(provided), () => {
      assert.throws(() => pythonSettings(provided, local), { code: 'invalid_request', message });
    });
  }
});
