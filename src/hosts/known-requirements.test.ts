import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { silentLog } from '../../test/hosts-fixture.ts';
import type { EnvironmentRef } from '../python-model.ts';
import { KnownRequirements } from './known-requirements.ts';

describe('what a task needs of the Python of its host', () => {
  /** A home with the interpreter `default`, and environments by their names with their locks. */
  const homeWith = (locks: Map<string, string>): KnownRequirements => {
    const python = {
      hasNetwork: false,
      factsOf: async ({ name, lock }: EnvironmentRef) => {
        if (lock === null && name !== null) throw new Error(`there is no interpreter ${name}`);
        return { version: lock === null ? '3.11.7' : '3.12.1', platform: 'linux-x86_64' };
      },
      lockNamed: async (name: string) => locks.get(name.toLowerCase()) ?? null,
      packagesOf: async () => ({ numpy: '2.0' }),
      archiveOf: () => Promise.reject(new Error('this home makes no archives')),
    };
    return new KnownRequirements({ log: silentLog, isConfined: () => true, python });
  };
  const learned = async (requirements: KnownRequirements, environment: EnvironmentRef) => {
    await requirements.learnTask(environment);
    return requirements.ofTask(environment)?.python ?? null;
  };

  test('is all packages of an interpreter, because it is not known what it imports', async () => {
    const python = await learned(homeWith(new Map()), { name: null, lock: null });
    assert.deepEqual([python?.version, python?.lock, python?.libraries], ['3.11.7', null, { numpy: '2.0' }]);
  });

  test('is the Python of the lock of an environment, also while only its name is known', async () => {
    const locks = new Map([['sums', 'a'.repeat(64)]]);
    for (const lock of [null, 'a'.repeat(64)]) {
      const python = await learned(homeWith(locks), { name: 'Sums', lock });
      assert.deepEqual([python?.version, python?.lock, python?.libraries], ['3.12.1', 'a'.repeat(64), {}]);
    }
  });

  test('is not known until the environment is built, and follows the last lock of its name', async () => {
    const locks = new Map<string, string>();
    const requirements = homeWith(locks);
    const named = { name: 'sums', lock: null };
    assert.equal(await learned(requirements, named), null);
    locks.set('sums', 'a'.repeat(64));
    assert.equal((await learned(requirements, named))?.lock, 'a'.repeat(64));
    await learned(requirements, { name: 'sums', lock: 'b'.repeat(64) }); // an attempt that starts
    assert.equal((await learned(requirements, named))?.lock, 'b'.repeat(64));
  });
});
