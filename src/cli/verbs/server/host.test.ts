/** The devices of a host, which its command line names in a file, or a variable has. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runAgainst, runVerb } from '../../../../test/cli-fixture.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-devices-'));
});
after(() => rmSync(folder, { recursive: true }));

const usdPerHour = 2.5;
for (const [what, text, says] of [
  ['is absent', null, /^penstock: --accelerators \S+: .*ENOENT/],
  ['is no JSON', '{', /--accelerators \S+: .*JSON/],
  ['is a list', '[]', /--accelerators \S+: expected an object/],
  [
    'names no device',
    JSON.stringify({ 'local.gpu': { devices: [], memoryMiB: 1, usdPerHour } }),
    /accelerators\.local\.gpu\.devices .*expected a list/,
  ],
] as const)
  test(`penstock host ends before it joins if the file ${what}`, async () => {
    const path = join(folder, text === null ? 'absent.json' : 'devices.json');
    if (text !== null) writeFileSync(path, text);
    const { code, stderr } = await runAgainst(() => assert.fail('it calls nothing'), ['host', '--name', 'h1', '--accelerators', path]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, says);
  });

for (const [what, text, says] of [
  ['has no JSON', 'devices', /^penstock: PENSTOCK_ACCELERATORS: .*JSON/],
  ['names no device', JSON.stringify({ 'local.gpu': { memoryMiB: 1, usdPerHour } }), /^penstock: PENSTOCK_ACCELERATORS: .*expected a list/],
] as const)
  test(`penstock host ends before it joins if its variable ${what}`, async () => {
    const { code, stderr } = await runVerb(['host', '--name', 'h1'], { PENSTOCK_ACCELERATORS: text });
    assert.equal(code, 2, stderr);
    assert.match(stderr, says);
  });
