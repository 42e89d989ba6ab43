/** How a gateway process finds the home. */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { type DialOther, HomeTargets, type OtherHome } from './home-target.ts';

const identity = { cert: '', key: '', authorities: '' };
const other = (address: string): OtherHome => ({ address, detours: [], identity });
const socketOf = (address: string): Socket => ({ address }) as unknown as Socket;

async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate);
}

test('a process that waits for a home dials it as soon as it is known, and another one when that changes', async () => {
  const dialled: string[] = [];
  const dialOther: DialOther = ({ address }, _dial, signal) => {
    dialled.push(address);
    if (address === 'b') return Promise.resolve(socketOf(address));
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
  };
  const targets = new HomeTargets({ term: 0 }, { clock: new VirtualClock(), dialOther, waits: true });
  const link = targets.dial({ kind: 'front' }, new AbortController().signal);
  await settled();
  assert.deepEqual(dialled, []);
  targets.set({ term: 1, other: other('a') });
  await settled();
  targets.set({ term: 2, other: other('b') });
  assert.deepEqual(await link, { address: 'b' });
  assert.deepEqual(dialled, ['a', 'b']);
});

test('a node that refuses the process is dialled again after a pause', async () => {
  const clock = new VirtualClock();
  let attempts = 0;
  const dialOther: DialOther = () => {
    attempts++;
    return attempts < 3 ? Promise.reject(new Error('refused')) : Promise.resolve(socketOf('a'));
  };
  const targets = new HomeTargets({ term: 1, other: other('a') }, { clock, dialOther, waits: true });
  const link = targets.dial({ kind: 'front' }, new AbortController().signal);
  for (let pause = 1; pause < 3; pause++) {
    await settled();
    assert.equal(attempts, pause);
    clock.advance(250);
  }
  await link;
});

test('connections of clients at a node that is the home no more end a second later, though it goes on', async () => {
  const clock = new VirtualClock();
  const targets = new HomeTargets({ term: 1, other: other('a') }, { clock, dialOther: async () => new Socket(), waits: true });
  const dial = (kind: 'front' | 'connection'): Promise<Socket> => {
    const client = { connection: {}, encrypted: false };
    return targets.dial(kind === 'front' ? { kind } : { kind, ...client }, new AbortController().signal);
  };
  const [link, client] = [await dial('front'), await dial('connection')];
  targets.set({ term: 1, other: other('a') });
  clock.advance(2000);
  assert.equal(client.destroyed, false, 'the home is the same, with another certificate');
  targets.set({ term: 2, other: other('b') });
  const next = await dial('connection');
  clock.advance(999);
  assert.equal(client.destroyed, false);
  clock.advance(1);
  assert.deepEqual([client.destroyed, link.destroyed, next.destroyed], [true, false, false], 'the link is ended by its owner');
});

test('a dial that is given up ends, also without a home', async () => {
  const targets = new HomeTargets({ term: 0 }, { clock: new VirtualClock(), dialOther: () => assert.fail('there is none'), waits: true });
  const abort = new AbortController();
  const link = targets.dial({ kind: 'front' }, abort.signal);
  await settled();
  abort.abort();
  await assert.rejects(link);
});

test('a process whose server is gone for good dials once', async () => {
  const own = { socketPath: '/nonexistent/socket', token: 't' };
  const targets = new HomeTargets(
    { term: 1, own },
    { clock: new VirtualClock(), dialOther: () => assert.fail('it is not another node'), waits: false },
  );
  await assert.rejects(targets.dial({ kind: 'front' }, new AbortController().signal), { code: 'ENOENT' });
});
