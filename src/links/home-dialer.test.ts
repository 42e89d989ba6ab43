import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { linkedPair } from '../../test/links-fixture.ts';
import { SystemClock, VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { SeededRandom } from '../random.ts';
import { HomeDialer } from './home-dialer.ts';
import { addressParts } from './link-attempt.ts';

const soon = (): AbortSignal => AbortSignal.timeout(20_000);

test('tries the other addresses if one does not answer, and remembers the home', async (context) => {
  const pair = await linkedPair(context);
  pair.port.serve('host', ['host'], (socket) => void socket.resume());
  pair.port.becomeHome();
  const failures: string[] = [];
  const dialer = new HomeDialer({
    clock: new VirtualClock(Date.now()),
    random: new SeededRandom(1),
    addresses: ['127.0.0.1:1', 'no address', pair.address],
    identity: await pair.cluster.identityOf({ role: 'host', name: 'h1' }),
    onFailure: (address) => failures.push(address),
  });
  for (let each = 0; each < 2; each++) (await dialer.dial('host', {}, soon())).destroy();
  assert.deepEqual(failures, ['127.0.0.1:1', 'no address']);
});

test('tries one address of last resort in each round without an answer, in turn, until one leads to the home', async (context) => {
  const pair = await linkedPair(context);
  pair.port.serve('host', ['host'], (socket) => void socket.resume());
  pair.port.becomeHome();
  const clock = new VirtualClock(Date.now());
  const failures: string[] = [];
  const dialer = new HomeDialer({
    clock,
    random: new SeededRandom(1),
    addresses: ['gone'],
    lastResort: ['one', 'two', pair.address],
    identity: await pair.cluster.identityOf({ role: 'host', name: 'h1' }),
    onFailure: (address) => failures.push(address),
  });
  let isOver = false;
  const link = dialer.dial('host', {}, soon()).finally(() => (isOver = true));
  while (!isOver) {
    clock.advance(100);
    await new Promise(setImmediate);
  }
  (await link).destroy();
  assert.deepEqual(failures, ['gone', 'one', 'gone', 'two', 'gone']);
});

test('tries no address of last resort while a node answers', async (context) => {
  const pair = await linkedPair(context);
  let refusals = 3;
  pair.port.serve(
    'host',
    ['host'],
    (socket) => void socket.resume(),
    () => {
      if (refusals-- > 0) throw new PlatformError('unavailable', 'the home is starting');
    },
  );
  pair.port.becomeHome();
  const failures: string[] = [];
  const dialer = new HomeDialer({
    clock: new SystemClock(),
    random: new SeededRandom(1),
    addresses: [pair.address],
    lastResort: ['one'],
    identity: await pair.cluster.identityOf({ role: 'host', name: 'h1' }),
    onFailure: (address) => failures.push(address),
  });
  (await dialer.dial('host', {}, soon())).destroy();
  assert.deepEqual(failures, []);
});

test('nodes that name each other hold no dialer up, and it gets there once one becomes the home', async (context) => {
  const addresses: string[] = [];
  const first = await linkedPair(context, { homeAddress: () => addresses[1] ?? null });
  const identity = await first.cluster.identityOf({ role: 'node', name: 'n2' });
  const second = await linkedPair(context, { identity, homeAddress: () => addresses[0] ?? null });
  addresses.push(first.address, second.address);
  for (const { port } of [first, second]) port.serve('host', ['host'], (socket) => void socket.resume());
  const dialer = await first.dialerOf();
  dialer.setAddresses([first.address]);
  const link = dialer.dial('host', {}, soon());
  second.port.becomeHome();
  (await link).destroy();
});

test('repeats while the home refuses for now, and gives up when its caller does', async (context) => {
  const pair = await linkedPair(context);
  let refusals = 2;
  const admit = (): void => {
    if (refusals-- > 0) throw new PlatformError('unavailable', 'the home is starting');
  };
  pair.port.serve('host', ['host'], (socket) => void socket.resume(), admit);
  pair.port.becomeHome();
  const dialer = await pair.dialerOf();
  (await dialer.dial('host', {}, soon())).destroy();
  refusals = Number.POSITIVE_INFINITY;
  const over = new AbortController();
  const dial = dialer.dial('host', {}, over.signal);
  while (refusals === Number.POSITIVE_INFINITY && pair.port.pendingCount === 0) await new Promise(setImmediate);
  over.abort();
  await assert.rejects(dial, { code: 'unavailable' });
});

test('counts answers of nodes that are about to serve, and no others', async (context) => {
  let home: string | null = null;
  let refusal: PlatformError | null = null;
  const pair = await linkedPair(context, { homeAddress: () => home });
  const admit = (): void => {
    if (refusal !== null) throw refusal;
  };
  pair.port.serve('host', ['host'], (socket) => void socket.resume(), admit);
  const identity = await pair.cluster.identityOf({ role: 'host', name: 'h1' });
  /** Of a dial that ends when it is accepted or rejected for good, and otherwise when an answer was counted, or an address has failed. */
  const counted = async (): Promise<boolean> => {
    let failures = 0;
    const onFailure = (): void => void failures++;
    const dialer = new HomeDialer({
      clock: new SystemClock(),
      random: new SeededRandom(1),
      addresses: [pair.address],
      identity,
      onFailure,
    });
    const over = new AbortController();
    let isOver = false;
    void dialer
      .dial('host', {}, over.signal)
      .then((socket) => socket.destroy())
      .catch(() => undefined)
      .finally(() => (isOver = true));
    while (!isOver && failures === 0 && dialer.delays === 0) await new Promise(setImmediate);
    over.abort();
    return dialer.delays > 0;
  };
  assert.equal(await counted(), true, 'it knows no home');
  home = '127.0.0.1:1';
  assert.equal(await counted(), false, 'it names a home that does not answer');
  pair.port.becomeHome();
  refusal = new PlatformError('unavailable', 'the home is starting');
  assert.equal(await counted(), true, 'it asks to try again');
  refusal = new PlatformError('wrong_state', 'another version');
  assert.equal(await counted(), false, 'it rejects the link for good');
  refusal = null;
  assert.equal(await counted(), false, 'it accepts the link');
});

test('a node that accepts connections and says nothing costs one attempt, of a second at first', async (context) => {
  const silent = createServer((socket) => void socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  context.after(() => silent.close());
  const pair = await linkedPair(context);
  pair.port.serve('host', ['host'], (socket) => void socket.resume());
  pair.port.becomeHome();
  const clock = new VirtualClock(Date.now());
  const { port } = silent.address() as { readonly port: number };
  const reasons: string[] = [];
  const dialer = new HomeDialer({
    clock,
    random: new SeededRandom(1),
    addresses: [`127.0.0.1:${port}`, pair.address],
    identity: await pair.cluster.identityOf({ role: 'host', name: 'h1' }),
    onFailure: (_address, reason) => reasons.push(reason),
  });
  const connected = once(silent, 'connection');
  const link = dialer.dial('host', {}, soon());
  await connected;
  clock.advance(1000);
  (await link).destroy();
  assert.deepEqual(reasons, ['no answer within 1000 ms']);
});

test('an address is a host and a port', () => {
  for (const [address, parts] of [
    ['127.0.0.1:8002', { host: '127.0.0.1', port: 8002 }],
    ['node-1.internal:8002', { host: 'node-1.internal', port: 8002 }],
    ['[::1]:8002', { host: '::1', port: 8002 }],
    ['::1:8002', null],
    ['node', null],
    ['node:99999', null],
    ['a b:80', null],
  ] as const) {
    assert.deepEqual(addressParts(address), parts, address);
  }
});
