/** A node whose way to the home is cut, and another node that has one. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { linkedPair, type TestCluster } from '../../test/links-fixture.ts';
import { TcpProxy } from '../../test/tcp-proxy.ts';
import { SystemClock } from '../clock.ts';
import { SeededRandom } from '../random.ts';
import { serveDetours } from './detours.ts';
import { HomeDialer } from './home-dialer.ts';
import type { LinkPeer } from './link-peer.ts';
import { LinkPort } from './link-port.ts';

const soon = (): AbortSignal => AbortSignal.timeout(20_000);
const clock = new SystemClock();

interface Arrival {
  readonly peer: LinkPeer;
  readonly via: unknown;
}

/** A home `n1`, and a node `n2` whose way to it is a proxy. */
class Cut {
  readonly arrivals: Arrival[] = [];
  readonly failures: string[];
  readonly #context: TestContext;
  readonly cluster: TestCluster;
  readonly home: string;
  readonly port: LinkPort;
  readonly proxy: TcpProxy;
  readonly dialer: HomeDialer;

  private constructor(
    context: TestContext,
    pair: Awaited<ReturnType<typeof linkedPair>>,
    { proxy, dialer, failures }: { proxy: TcpProxy; dialer: HomeDialer; failures: string[] },
  ) {
    this.failures = failures;
    this.#context = context;
    this.cluster = pair.cluster;
    this.home = pair.address;
    this.port = pair.port;
    this.proxy = proxy;
    this.dialer = dialer;
    pair.port.serve('front', ['node'], (socket, peer, { via }) => {
      this.arrivals.push({ peer, via });
      socket.on('error', () => undefined).pipe(socket);
    });
    pair.port.becomeHome();
  }

  static async create(context: TestContext): Promise<Cut> {
    const pair = await linkedPair(context);
    const proxy = await TcpProxy.start(Number(pair.address.split(':')[1]));
    context.after(() => proxy.close());
    const identity = await pair.cluster.identityOf({ role: 'node', name: 'n2' });
    const failures: string[] = [];
    const onFailure = (_address: string, reason: string): void => void failures.push(reason);
    const addresses = [`127.0.0.1:${proxy.port}`];
    const dialer = new HomeDialer({ clock, random: new SeededRandom(1), addresses, identity, onFailure });
    return new Cut(context, pair, { proxy, dialer, failures });
  }

  /** A node that stands by. Resolves with its address. */
  async standBy(name: string, options: { readonly home?: string | null; readonly detoursMax?: number } = {}): Promise<string> {
    const home = options.home === undefined ? this.home : options.home;
    const identity = await this.cluster.identityOf({ role: 'node', name });
    let address = '';
    const port = new LinkPort({ clock, host: '127.0.0.1', port: 0, identity, homeAddress: () => home });
    serveDetours(port, { clock, homeAddress: () => home, ownAddress: () => address, ...options });
    address = await port.listen();
    this.#context.after(() => port.close());
    return address;
  }

  async dial(): Promise<Socket> {
    const socket = await this.dialer.dial('front', {}, soon());
    this.#context.after(() => void socket.destroy());
    return socket;
  }
}

async function echo(socket: Socket, text: string): Promise<string> {
  const read = once(socket, 'data');
  socket.write(text);
  socket.resume();
  return String(((await read) as [Buffer])[0]);
}

test('a node that does not reach the home links to it over another one, and the home knows it by its own certificate', async (context) => {
  const cut = await Cut.create(context);
  cut.dialer.setDetours([await cut.standBy('n3')]);
  cut.proxy.refuse();
  const socket = await cut.dial();
  assert.equal(await echo(socket, 'ping'), 'ping');
  assert.deepEqual(cut.arrivals, [{ peer: { role: 'node', name: 'n2' }, via: 'n3' }]);
  assert.equal(cut.dialer.detour, 'n3');
  const tries = cut.failures.length;
  await cut.dial();
  assert.equal(cut.failures.length, tries, 'the next link takes the detour at once');
});

test('a link needs no detour while the home answers, and none again once it does', async (context) => {
  const cut = await Cut.create(context);
  cut.dialer.setDetours([await cut.standBy('n3')]);
  await cut.dial();
  assert.equal(cut.dialer.detour, null);
  cut.proxy.refuse();
  await cut.dial();
  assert.equal(await cut.dialer.triesDirect(soon()), false);
  await cut.dial();
  await cut.proxy.accept();
  assert.equal(await cut.dialer.triesDirect(soon()), true);
  await cut.dial();
  assert.deepEqual(
    cut.arrivals.map(({ via }) => via),
    [undefined, 'n3', 'n3', undefined],
  );
});

test('the nodes are tried in turn: one that is absent, one that is cut off as well, one without a home, one that passes on enough', async (context) => {
  const cut = await Cut.create(context);
  const absent = '127.0.0.1:1';
  const full = await cut.standBy('n6', { detoursMax: 0 });
  cut.dialer.setDetours([
    absent,
    await cut.standBy('n4', { home: absent }),
    await cut.standBy('n5', { home: null }),
    full,
    await cut.standBy('n7'),
  ]);
  cut.proxy.refuse();
  await cut.dial();
  assert.equal(cut.arrivals[0]?.via, 'n7');
  for (const reason of [/ECONNREFUSED/, /the home behind it/, /knows no home/, /passes on 0 links already/])
    assert(
      cut.failures.some((each) => reason.test(each)),
      `${reason} ${cut.failures.join()}`,
    );
});

test('a detour leads to the home only, and is for nodes only: there are no loops, and hosts get none', async (context) => {
  const cut = await Cut.create(context);
  serveDetours(cut.port, { clock, homeAddress: () => cut.home, ownAddress: () => cut.home });
  cut.dialer.setDetours([cut.home]);
  cut.proxy.refuse();
  await assert.rejects(cut.dialer.dial('front', {}, AbortSignal.timeout(300)), { code: 'unavailable' });
  assert(cut.failures.includes('this node is the home itself: link to it without a detour'), cut.failures.join());
  const identity = await cut.cluster.identityOf({ role: 'host', name: 'h1' });
  const host = new HomeDialer({ clock, random: new SeededRandom(1), addresses: [await cut.standBy('n3')], identity });
  await assert.rejects(host.dial('detour', {}, soon()), { code: 'forbidden', message: /a host cannot open a link of kind detour/ });
});

test('the end of either side ends both', async (context) => {
  const cut = await Cut.create(context);
  cut.dialer.setDetours([await cut.standBy('n3')]);
  cut.proxy.refuse();
  const socket = await cut.dial();
  await echo(socket, 'ping');
  cut.port.endLinks(({ name }) => name === 'n2');
  await once(socket.resume(), 'close');
});
