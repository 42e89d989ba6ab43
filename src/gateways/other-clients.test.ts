/** Who counts as local to the home: clients of other nodes never do. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Access } from '../access/index.ts';
import { VirtualClock } from '../clock.ts';
import { factsOfOther } from './other-clients.ts';

test('a client of another node keeps its address, unless that is a loopback address there', () => {
  for (const address of ['10.1.2.3', '2001:db8::1', '::ffff:10.1.2.3']) {
    const facts = { remoteAddress: address, remotePort: 1, localAddress: '127.0.0.1', localPort: 2 };
    assert.deepEqual(
      { ...factsOfOther(facts, 'b') },
      {
        remoteAddress: address,
        remotePort: undefined,
        localAddress: undefined,
        localPort: undefined,
      },
    );
  }
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', 'localhost', undefined, 7, 'a\nb', '1'.repeat(65)])
    assert.equal(factsOfOther({ remoteAddress: address }, 'b').remoteAddress, 'node:b');
  for (const facts of [null, undefined, 'x', 1, []]) assert.equal(factsOfOther(facts, 'b').remoteAddress, 'node:b');
});

test('a client of another node needs a key, although it is at a loopback address there', () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-others-'));
  try {
    const access = Access.open(join(folder, 'keys.json'), new VirtualClock());
    const key = access.create('invoker');
    const call = (node: string, more: object = {}): unknown => {
      const facts = factsOfOther({ remoteAddress: '127.0.0.1', remotePort: 1, localAddress: '127.0.0.1', localPort: 2 }, node);
      return access.authenticate(
        { host: 'localhost', ...more },
        { ...facts, remoteAddress: facts.remoteAddress, listenerIsLoopback: true },
      );
    };
    for (const node of ['b', 'localhost', '127-0-0-1'])
      assert.throws(() => call(node), { code: 'unauthenticated', message: /a key is required/ });
    assert.equal((call('b', { authorization: `Bearer ${key.id}:${key.secret}` }) as { keyId: string }).keyId, key.id);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
