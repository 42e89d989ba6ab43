/** What a host can do decides whether it gets a worker. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hostFixture, instanceRequest } from '../../test/host-fixture.ts';
import { type HostAbilities, lackOf, type PythonRequirements, type WorkerRequirements } from './abilities.ts';
import { chooseHost } from './choose-host.ts';
import { abilityFields, readAbilities, readAccelerators } from './link/abilities.ts';

const platform = 'linux-x86_64';
const packages = new Map([['scikit-learn', '1.7.2']]);
const able: HostAbilities = {
  isolation: 'root',
  architecture: 'x64',
  pythons: [{ name: 'default', version: '3.11.7', platform, packages }],
};
const program: WorkerRequirements = { code: 'confined', architecture: 'x64', python: null };
const requirements = (python: Partial<PythonRequirements>): WorkerRequirements => ({
  code: 'confined',
  architecture: null,
  python: { name: 'default', lock: null, version: '3.11.4', platform, libraries: {}, ...python },
});

describe('what a host lacks', () => {
  for (const [what, abilities, wanted, lack] of [
    ['nothing for an ONNX model', able, undefined, null],
    ['nothing on the machine of the home', undefined, requirements({ version: '3.9.1' }), null],
    ['nothing for the same minor version', able, requirements({}), null],
    ['nothing for the same libraries, however they are written', able, requirements({ libraries: { Scikit_Learn: '1.7.2' } }), null],
    ['nothing for a lock of its version', able, requirements({ lock: 'a'.repeat(64), version: '3.11.7', name: 'old' }), null],
    [
      'a patch version of a lock',
      able,
      requirements({ lock: 'a'.repeat(64) }),
      /no Python 3\.11\.4 on linux-x86_64, which environment aaaaaaaaaaaa needs, but 3\.11\.7/,
    ],
    ['a minor version', able, requirements({ version: '3.12.1' }), /no Python 3\.12 on linux-x86_64, but 3\.11\.7 on linux-x86_64/],
    ['a platform', able, requirements({ platform: 'linux-aarch64' }), /no Python 3\.11 on linux-aarch64, but/],
    ['an interpreter of the operator', able, requirements({ name: 'torch' }), /no Python named torch/],
    ['a library', able, requirements({ libraries: { xgboost: '3.0' } }), /its Python has no xgboost 3\.0/],
    [
      'the version of a library',
      able,
      requirements({ libraries: { 'scikit-learn': '1.6.0' } }),
      /has scikit-learn 1\.7\.2, not scikit-learn 1\.6\.0/,
    ],
    ['isolation', { ...able, isolation: 'none' }, program, /does not isolate foreign code/],
    ['any way to run foreign code', { ...able, isolation: 'unavailable' }, { ...program, code: 'foreign' }, /cannot isolate/],
    ['nothing for an ONNX model without isolation', { ...able, isolation: 'unavailable' }, { ...program, code: 'none' }, null],
    ['the processor of a program', able, { ...program, architecture: 'arm64' }, /its processor is x64, and the program is for arm64/],
    ['Python, if its agent is too old to say', readAbilities(undefined), requirements({}), /no Python/],
    ['nothing for a program, if its agent is too old to say', readAbilities(undefined), program, null],
  ] as const) {
    test(what, () => {
      const found = lackOf(abilities, wanted);
      if (lack === null) assert.equal(found, null);
      else assert.match(found ?? '', lack);
    });
  }
});

test('a worker goes to a host with what it needs, and says which hosts have not', () => {
  const hosts = [hostFixture('empty', { abilities: { ...able, pythons: [] } }), hostFixture('right', { abilities: able, zone: 'b' })];
  const request = instanceRequest({ needs: requirements({}) });
  const choice = chooseHost(hosts, request, []);
  assert.deepEqual([choice.fits, choice.fits && choice.host], [true, 'right']);
  assert.match(choice.reason, /no other host has room; empty cannot run it: it has no Python$/);
  const refused = chooseHost(hosts.slice(0, 1), request, []);
  assert.equal(refused.fits, false);
  const full = chooseHost(hosts, { ...request, memoryMiB: 2 ** 20 }, []);
  assert.match(full.reason, /no host is as large as 2 vCPU and 1024 GiB: right has 8 vCPU and 16 GiB$/);
  assert.match(refused.reason, /no host can run it: empty cannot run it: it has no Python$/);
});

describe('the abilities in an introduction', () => {
  test('are read as they were written', () => {
    assert.deepEqual(readAbilities(JSON.parse(JSON.stringify(abilityFields(able)))), able);
  });

  test('fit into it, whatever is installed', () => {
    const many = new Map(Array.from({ length: 50_000 }, (_, i) => [`package-${i}`, '1.0'] as const));
    const fields = abilityFields({ ...able, pythons: [{ name: 'default', version: '3.11.7', platform, packages: many }] });
    assert(JSON.stringify(fields).length < 60_000);
    assert((readAbilities(fields).pythons[0]?.packages.size ?? 0) > 1000);
  });

  for (const [what, value] of [
    ['no object', 'all'],
    ['no list', { isolation: 'root', architecture: 'x64', pythons: {} }],
    ['too many interpreters', { isolation: 'root', architecture: 'x64', pythons: Array.from({ length: 65 }, () => ({})) }],
    [
      'an interpreter without a version',
      { isolation: 'root', architecture: 'x64', pythons: [{ name: 'default', platform, packages: '' }] },
    ],
    ['no mode', { isolation: null, architecture: 'x64', pythons: [] }],
  ] as const)
    test(`are refused if they are malformed: ${what}`, () => {
      assert.throws(() => readAbilities(value));
    });

  test('have no package of another form', () => {
    const [python] = readAbilities({
      ...able,
      pythons: [{ name: 'D', version: '3', platform: 'p', packages: 'a==1\nb\n==2\n__proto__==3\nc d==1' }],
    }).pythons;
    assert.deepEqual(
      [...(python?.packages ?? [])],
      [
        ['a', '1'],
        ['-proto-', '3'],
      ],
    );
  });
});

test('accelerators in an introduction are whole places by type, of a bounded number', () => {
  assert.deepEqual(readAccelerators(undefined), {});
  assert.deepEqual(readAccelerators({ 'local.gpu': 4, 'ml.g5.xlarge': 1.5 }), { 'local.gpu': 4, 'ml.g5.xlarge': 1 });
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`local.${i}`, 1]));
  for (const value of [[], 'gpu', { a: -1 }, { a: '1' }, { a: 4097 }, { a: Number.NaN }, many])
    assert.throws(() => readAccelerators(value), JSON.stringify(value));
});
