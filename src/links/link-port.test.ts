import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { type LinkedPair, linkEnds, linkedPair, TestCluster } from '../../test/links-fixture.ts';
import { SystemClock, VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { SeededRandom } from '../random.ts';
import { HomeDialer } from './home-dialer.ts';
import { introductionBytes, readIntroduction } from './introduction.ts';
import type { LinkIdentity, LinkPeer } from './link-peer.ts';
import { defaultLinkLimits } from './link-port.ts';

const hostPeer: LinkPeer = { role: 'host', name: 'h1' };
const nodePeer: LinkPeer = { role: 'node', name: 'n2' };
const soon = (): AbortSignal => AbortSignal.timeout(20_000);

/** A connection that does what a dialer never does. The certificate of the node is not checked. */
async function rawTls({ address }: LinkedPair, identity?: Partial<LinkIdentity>): Promise<Socket> {
  const [host, port] = address.split(':');
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ...identity });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

async function answerTo(socket: Socket, introduction: object): Promise<unknown> {
  socket.write(introductionBytes(introduction));
  return new Promise((resolve) => readIntroduction(socket, resolve));
}

/** Links are handed over paused. */
async function firstBytes(socket: Socket): Promise<string> {
  const read = once(socket, 'data');
  socket.resume();
  const [bytes] = (await read) as [Buffer];
  return bytes.toString();
}

const ended = (socket: Socket): Promise<void> =>
  new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', () => resolve())));

test('a link carries bytes both ways, and its server learns who dialled', async (context) => {
  const { near, far } = await linkEnds(context, 'host', hostPeer);
  far.write('ping');
  near.once('data', (bytes: Buffer) => near.write(`${bytes.toString()} pong`));
  near.resume();
  assert.equal(await firstBytes(far), 'ping pong');
});

test('bytes that follow the introduction at once are not lost, and the fields arrive', async (context) => {
  const pair = await linkedPair(context);
  const served = new Promise<unknown[]>((resolve) =>
    pair.port.serve('front', ['node'], (socket, peer, introduction) => {
      socket.once('data', (bytes: Buffer) => resolve([bytes.toString(), peer, introduction]));
      socket.resume();
    }),
  );
  pair.port.becomeHome();
  const socket = await rawTls(pair, await pair.cluster.identityOf(nodePeer));
  context.after(() => void socket.destroy());
  socket.write(Buffer.concat([introductionBytes({ kind: 'front', wire: 3 }), Buffer.from('first')]));
  assert.deepEqual(await served, ['first', nodePeer, { kind: 'front', wire: 3 }]); // without protocols: the first one
});

test('a node that is not the home names the home, and a dialer goes there', async (context) => {
  const cluster = await linkedPair(context);
  const home = await linkedPair(context, { identity: await cluster.cluster.identityOf({ role: 'node', name: 'n3' }) });
  home.port.setIdentity(await cluster.cluster.identityOf({ role: 'node', name: 'n3' }));
  const standby = await linkedPair(context, {
    identity: await cluster.cluster.identityOf({ role: 'node', name: 'n2' }),
    homeAddress: () => home.address,
  });
  home.port.serve('host', ['host'], (socket) => void socket.end('from home'));
  home.port.becomeHome();
  standby.port.serve('host', ['host'], () => assert.fail('it is not the home'));
  const dialer = await cluster.dialerOf();
  dialer.setAddresses([standby.address]);
  const socket = await dialer.dial('host', {}, soon());
  assert.equal(await firstBytes(socket), 'from home');
});

for (const { what, identity, kind = 'host', code, reason } of [
  { what: 'no certificate', identity: async () => undefined, code: 'forbidden', reason: /needs a certificate/ },
  {
    what: 'a certificate of another cluster',
    identity: async () => (await TestCluster.create()).identityOf(hostPeer),
    code: 'forbidden',
    reason: /not issued by an authority of this cluster/,
  },
  {
    what: 'a certificate of another cluster that names itself a node',
    identity: async () => (await TestCluster.create()).identityOf(nodePeer),
    kind: 'front',
    code: 'forbidden',
    reason: /not issued/,
  },
  {
    what: 'an expired certificate',
    identity: (cluster: TestCluster) => cluster.identityOf(hostPeer, Date.now() - 2 * 86_400_000),
    code: 'forbidden',
    reason: /has expired/,
  },
  {
    what: 'a certificate of tomorrow',
    identity: (cluster: TestCluster) => cluster.identityOf(hostPeer, Date.now() + 86_400_000),
    code: 'forbidden',
    reason: /not yet/,
  },
  {
    what: 'the certificate of a host, for a link of a front',
    identity: (cluster: TestCluster) => cluster.identityOf(hostPeer),
    kind: 'front',
    code: 'forbidden',
    reason: /a host cannot open a link of kind front/,
  },
  {
    what: 'the certificate of a node, for a link of a host',
    identity: (cluster: TestCluster) => cluster.identityOf(nodePeer),
    code: 'forbidden',
    reason: /a node cannot open a link of kind host/,
  },
  {
    what: 'an unknown kind',
    identity: (cluster: TestCluster) => cluster.identityOf(nodePeer),
    kind: 'admin',
    code: 'forbidden',
    reason: /kind admin/,
  },
]) {
  test(`refuses ${what}, says why, and closes`, async (context) => {
    const pair = await linkedPair(context);
    pair.port.serve('host', ['host'], () => assert.fail('refused links are not served'));
    pair.port.serve('front', ['node'], () => assert.fail('refused links are not served'));
    pair.port.becomeHome();
    const socket = await rawTls(pair, await identity(pair.cluster));
    const answer = (await answerTo(socket, { kind })) as { readonly refused: string; readonly code: string };
    assert.equal(answer.code, code);
    assert.match(answer.refused, reason);
    socket.resume();
    await ended(socket);
  });
}

test('a dialer goes to no node without a certificate of its cluster, and not to a host that poses as a node', async (context) => {
  const pair = await linkedPair(context);
  pair.port.serve('host', ['host'], () => assert.fail('never reached'));
  pair.port.becomeHome();
  const seen: string[] = [];
  for (const identity of [await (await TestCluster.create()).identityOf(nodePeer), await pair.cluster.identityOf(hostPeer)]) {
    pair.port.setIdentity(identity);
    const over = new AbortController();
    const dialer = new HomeDialer({
      clock: new VirtualClock(Date.now()),
      random: new SeededRandom(1),
      addresses: [pair.address],
      identity: await pair.cluster.identityOf(hostPeer),
      onFailure: (_address, reason) => {
        seen.push(reason);
        over.abort();
      },
    });
    await assert.rejects(dialer.dial('host', {}, over.signal), { code: 'unavailable' });
  }
  assert.equal(seen.length, 2);
  assert.match(seen[0] ?? '', /its certificate is of another cluster, .*: then hosts must join again, with a new token$/);
  assert.match(seen[1] ?? '', /purpose|not a node/);
});

test('a node that stands by names the home although it serves nothing; a home that is starting asks for patience', async (context) => {
  const pair = await linkedPair(context, { homeAddress: () => '10.0.0.1:8002' });
  const identity = await pair.cluster.identityOf(hostPeer);
  assert.deepEqual(await answerTo(await rawTls(pair, identity), { kind: 'host' }), { moved: '10.0.0.1:8002' });
  pair.port.becomeHome();
  const answer = (await answerTo(await rawTls(pair, identity), { kind: 'host' })) as { readonly code: string };
  assert.equal(answer.code, 'unavailable');
});

test('a port or an address that cannot be bound is named, with what to do', async (context) => {
  const { address } = await linkedPair(context);
  const port = Number(address.split(':')[1]);
  await assert.rejects(linkedPair(context, { port }), {
    code: 'unavailable',
    message: `--link: cannot listen for links on 127.0.0.1:${port}: another program is using it: choose another port`,
  });
  // 192.0.2.0/24 is for documentation.
  await assert.rejects(linkedPair(context, { host: '192.0.2.1', port }), {
    code: 'unavailable',
    message: `--link: cannot listen for links on 192.0.2.1:${port}: this machine does not have that address: choose one of its own`,
  });
});

test('TLS 1.2 is not spoken', async (context) => {
  const { address } = await linkedPair(context);
  const [host, port] = address.split(':');
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
  const [error] = (await once(socket, 'error')) as [Error];
  assert.match(error.message, /protocol version|alert/i);
});

/** A port on a virtual clock, and how to wait until it has seen what was sent. */
async function virtualPair(context: TestContext, limits = defaultLinkLimits) {
  const clock = new VirtualClock(Date.now());
  const pair = await linkedPair(context, { clock, limits });
  pair.port.serve('host', ['host'], () => assert.fail('never introduced'));
  pair.port.becomeHome();
  return { clock, pair };
}

test('a connection without a handshake is closed after 5 s', async (context) => {
  const { clock, pair } = await virtualPair(context);
  const [host, port] = pair.address.split(':');
  const socket = connectTcp({ host, port: Number(port) });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00])); // a record of 512 bytes begins, and never ends
  while (pair.port.pendingCount === 0) await new Promise(setImmediate);
  clock.advance(4999);
  assert.equal(pair.port.pendingCount, 1);
  clock.advance(1);
  await ended(socket);
});

test('a connection without a whole introduction is closed, however often it sends a byte', async (context) => {
  const { clock, pair } = await virtualPair(context);
  const socket = await rawTls(pair, await pair.cluster.identityOf(hostPeer));
  const bytes = introductionBytes({ kind: 'host', padding: 'x'.repeat(60_000) });
  const { handshakeMs, introductionMs } = defaultLinkLimits;
  const startedMs = clock.nowMs();
  socket.resume();
  for (let at = 0; !socket.destroyed; at++) {
    socket.write(bytes.subarray(at, at + 1));
    await new Promise(setImmediate);
    if (clock.nowMs() - startedMs < handshakeMs + introductionMs) clock.advance(100);
  }
  assert.equal(pair.port.peers.length, 0);
});

test('what is not JSON, or no object, ends the connection or is refused', async (context) => {
  const { pair } = await virtualPair(context);
  const identity = await pair.cluster.identityOf(hostPeer);
  const broken = await rawTls(pair, identity);
  broken.write(Buffer.from([2, 0, 0x7b, 0x7b]));
  broken.resume();
  await ended(broken);
  for (const value of [[1], { kind: 7 }, { kind: 'k'.repeat(99) }, {}]) {
    const socket = await rawTls(pair, identity);
    const answer = (await answerTo(socket, value)) as { readonly code: string };
    assert.equal(answer.code, 'invalid_request');
    socket.destroy();
  }
});

test('connections without an introduction are limited in number, in total and by address; introduced ones do not count', async (context) => {
  const limits = { ...defaultLinkLimits, pendingOfAddressMax: 3 };
  const { clock, pair } = await virtualPair(context, limits);
  const [host, port] = pair.address.split(':');
  const open = async (): Promise<Socket> => {
    const socket = connectTcp({ host, port: Number(port) });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  const held = [await open(), await open(), await open()];
  while (pair.port.pendingCount < 3) await new Promise(setImmediate);
  const flood = await Promise.all(Array.from({ length: 200 }, open));
  await Promise.all(flood.map(ended));
  assert.deepEqual(
    held.map(({ destroyed }) => destroyed),
    [false, false, false],
  );
  clock.advance(5000);
  await Promise.all(held.map(ended));
  while (pair.port.pendingCount > 0) await new Promise(setImmediate);
  pair.port.serve('front', ['node'], () => undefined);
  const dialer = await pair.dialerOf(nodePeer);
  const links = [];
  for (let each = 0; each < 5; each++) links.push(await dialer.dial('front', {}, soon()));
  assert.equal(pair.port.peers.length, 5);
  for (const link of links) link.destroy();
});

test('addresses that take all places of unfinished connections lose some to another address', async (context) => {
  const { pair } = await virtualPair(context, { ...defaultLinkLimits, pendingMax: 6, pendingOfAddressMax: 3 });
  pair.port.serve('front', ['node'], () => undefined);
  const [host, port] = pair.address.split(':');
  const held: Socket[] = [];
  for (const localAddress of ['127.0.0.2', '127.0.0.3', '127.0.0.2', '127.0.0.3', '127.0.0.2', '127.0.0.3']) {
    const socket = connectTcp({ host, port: Number(port), localAddress });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    held.push(socket);
    while (pair.port.pendingCount < held.length) await new Promise(setImmediate);
  }
  const link = await (await pair.dialerOf(nodePeer)).dial('front', {}, soon());
  await ended(held[0] as Socket);
  assert.deepEqual(
    held.map(({ destroyed }) => destroyed),
    [true, false, false, false, false, false],
  );
  assert.equal(pair.port.peers.length, 1);
  for (const socket of [link, ...held]) socket.destroy();
});

test('a new certificate counts for new connections, and open links stay', async (context) => {
  const pair = await linkedPair(context);
  pair.port.serve('host', ['host'], (socket) => void socket.pipe(socket));
  pair.port.becomeHome();
  const dialer = await pair.dialerOf();
  const first = await dialer.dial('host', {}, soon());
  const renewed = await pair.cluster.identityOf({ role: 'node', name: 'n1' });
  pair.port.setIdentity(renewed);
  const second = await rawTls(pair, await pair.cluster.identityOf(hostPeer));
  assert.ok('getPeerX509Certificate' in second);
  assert.deepEqual(await answerTo(second, { kind: 'host' }), { ok: true });
  first.write('still open');
  assert.equal(await firstBytes(first), 'still open');
  first.destroy();
  second.destroy();
});

test('a peer that is no longer allowed opens no link, and its open links can be ended', async (context) => {
  const removed = new Set<string>();
  const checkPeer = async ({ name }: LinkPeer): Promise<void> => {
    if (removed.has(name)) throw new PlatformError('forbidden', `the host ${name} was removed from the cluster`);
  };
  const pair = await linkedPair(context, { checkPeer });
  pair.port.serve('host', ['host'], (socket) => void socket.resume());
  pair.port.becomeHome();
  const dialer = await pair.dialerOf();
  const link = await dialer.dial('host', {}, soon());
  link.on('error', () => undefined).resume();
  removed.add('h1');
  pair.port.endLinks(({ name }) => removed.has(name));
  await ended(link);
  await assert.rejects(dialer.dial('host', {}, soon()), { code: 'forbidden', message: /the host h1 was removed/ });
});

test('a link of a version that the home does not understand is refused for good', async (context) => {
  const pair = await linkedPair(context, { protocols: { min: 2, max: 3 } });
  pair.port.serve('host', ['host'], (socket) => void socket.end('served'));
  pair.port.becomeHome();
  const identity = await pair.cluster.identityOf(hostPeer);
  const dialerOf = (protocols?: { readonly min: number; readonly max: number }): HomeDialer =>
    new HomeDialer({
      clock: new SystemClock(),
      random: new SeededRandom(1),
      addresses: [pair.address],
      identity,
      ...(protocols && { protocols }),
    });
  for (const protocols of [undefined, { min: 4, max: 4 }])
    await assert.rejects(dialerOf(protocols).dial('host', {}, soon()), {
      code: 'wrong_state',
      message: /links of version 2 to 3, got one of version [14]:/,
    });
  for (const protocols of [
    { min: 1, max: 2 },
    { min: 3, max: 9 },
  ])
    assert.equal(await firstBytes(await dialerOf(protocols).dial('host', {}, soon())), 'served');
});

test('a request is answered by any node, also to a peer without a certificate, and admission can refuse', async (context) => {
  const pair = await linkedPair(context);
  pair.port.answer('join', 'anyone', async ({ introduction, peer, address }) => ({ echo: introduction.word, peer, address }));
  pair.port.serve(
    'host',
    ['host'],
    () => assert.fail('not admitted'),
    () => {
      throw new PlatformError('already_exists', 'a host of this name is linked');
    },
  );
  assert.deepEqual(await answerTo(await rawTls(pair), { kind: 'join', word: 'w' }), {
    ok: true,
    echo: 'w',
    peer: null,
    address: '127.0.0.1',
  });
  pair.port.becomeHome();
  const dialer = await pair.dialerOf();
  await assert.rejects(dialer.dial('host', {}, soon()), { code: 'already_exists', message: /a host of this name is linked/ });
});
