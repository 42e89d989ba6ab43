/** A gateway process whose home dies, stops, and is another one: what its clients get. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../clock.ts';
import type { PlatformError } from '../errors.ts';
import { type ForwardedRequest, FrontLink } from './front-link.ts';
import { type DialledHome, LinkedHome, type WaitingLimits, waitingLimits } from './linked-home.ts';

/** One home after the other, and the requests that each of them has. */
class Homes {
  readonly clock = new VirtualClock();
  readonly requests: ForwardedRequest[] = [];
  readonly home: LinkedHome;
  /** The ends of the present link; null while there is no home. */
  #ends: { readonly near: Socket; readonly far: Socket; readonly link: FrontLink } | null = null;
  #dial: ((dialled: DialledHome) => void) | null = null;
  /** Whether the home answers without a detour. */
  isDirect = false;
  /** Whether a node answers that it starts. */
  isNear = false;
  readonly answers: string[] = [];

  constructor(limits: WaitingLimits = waitingLimits) {
    this.home = new LinkedHome({
      clock: this.clock,
      dial: (signal) =>
        new Promise((resolve, reject) => {
          this.#dial = resolve;
          signal.addEventListener('abort', () => reject(new Error('aborted')));
        }),
      triesDirect: async () => this.isDirect,
      isHomeNear: () => this.isNear,
      onCutOff: () => this.answers.push('cut off'),
      onCatalogue: () => undefined,
      onEnd: () => true,
      limits,
    });
    this.home.open();
  }

  get link(): FrontLink {
    assert(this.#ends !== null);
    return this.#ends.link;
  }

  /** A home accepts the link. */
  async open(isOther = false, isDetour = false): Promise<void> {
    this.clock.advance(100); // the pause before it is dialled
    await settled();
    const [far, near] = socketPair();
    const link = new FrontLink(near, {
      clock: this.clock,
      home: { enter: () => () => undefined },
      routeOf: () => undefined,
      serveWhole: (request) => {
        this.requests.push(request);
        return () => this.answers.push(`left ${String(request.bytes)}`);
      },
      connectionOf: (facts) => facts as object,
      logError: () => undefined,
      onEnd: () => undefined,
    });
    near.resume();
    this.#ends = { near, far, link };
    this.#dial?.({ socket: far, isOther, isDetour });
    await settled();
  }

  /** The home is killed. */
  async kill(): Promise<void> {
    this.#ends?.near.destroy();
    this.#ends = null;
    await settled();
  }

  send(name: string, untilMs = this.clock.nowMs() + 60_000): () => void {
    const request = { connection: 1, bytes: Buffer.from(name), arrivedAtMs: this.clock.nowMs(), untilMs };
    return this.home.send(request, {
      onResponse: ({ bytes }) => void this.answers.push(String(bytes)),
      onUnavailable: ({ code, retryAfterMs }: PlatformError) => void this.answers.push(`${name}: ${code} ${retryAfterMs}`),
    });
  }

  async answer(index = 0): Promise<void> {
    const request = this.requests[index];
    assert(request !== undefined);
    request.respond(Buffer.from(`answer to ${String(request.bytes)}`), 0);
    await settled();
  }

  get names(): string[] {
    return this.requests.map(({ bytes }) => String(bytes));
  }
}

/** Frames are written once a turn of the event loop. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise(setImmediate);
}

/** Two sockets in memory. The end of one closes the other. */
function socketPair(): [Socket, Socket] {
  const ends = [0, 1].map((index) => {
    const end: Duplex = new Duplex({
      read: () => undefined,
      write(chunk: Buffer, _encoding, callback) {
        other().push(Buffer.from(chunk));
        callback();
      },
      final(callback) {
        other().push(null);
        callback();
      },
      destroy(error, callback) {
        setImmediate(() => other().destroy());
        callback(error);
      },
    });
    const other = (): Duplex => ends[1 - index] as Duplex;
    return end.pause();
  });
  return ends as unknown as [Socket, Socket];
}

const opened = async (limits?: WaitingLimits): Promise<Homes> => {
  const homes = new Homes(limits);
  await homes.open();
  return homes;
};

test('a request whose home dies before its answer is answered by the next home, which counts its time from its arrival', async () => {
  const homes = await opened();
  homes.send('a');
  await settled();
  assert.deepEqual(homes.names, ['a']);
  await homes.kill();
  homes.clock.advance(900);
  await homes.open();
  assert.deepEqual(homes.names, ['a', 'a']);
  assert.equal(homes.clock.nowMs() - (homes.requests[1]?.arrivedAtMs ?? 0), 1000);
  await homes.answer(1);
  assert.deepEqual(homes.answers, ['left a', 'answer to a']);
});

test('the answer of a home that was replaced while it was stopped reaches no client', async () => {
  const homes = await opened();
  homes.send('a');
  await settled();
  homes.home.relink();
  await homes.answer(0); // it resumes
  await homes.open();
  await homes.answer(1);
  await homes.answer(0);
  assert.deepEqual(homes.answers, ['answer to a']);
});

test('a home on another machine that is silent is lost; one on this machine is not', async () => {
  for (const [isOther, names] of [
    [true, ['a', 'a']],
    [false, ['a']],
  ] as const) {
    const homes = new Homes();
    await homes.open(isOther);
    homes.send('a');
    await settled();
    homes.clock.advance(4000);
    await homes.open(isOther);
    assert.deepEqual(homes.names, names);
  }
});

test('a home that beats is not lost', async () => {
  const homes = new Homes();
  await homes.open(true);
  homes.send('a');
  for (let beats = 0; beats < 20; beats++) {
    homes.link.beat();
    await settled();
    homes.clock.advance(500);
  }
  await homes.answer();
  assert.deepEqual(homes.answers, ['answer to a']);
});

test('requests wait for a home within their number, their bytes and their time, else the answer is 503 with a delay', async () => {
  const limits = { ...waitingLimits, requestsMax: 2, bytesMax: 10 };
  const many = new Homes(limits);
  for (const name of ['a', 'b', 'c']) many.send(name);
  assert.deepEqual(many.answers, ['c: unavailable 1000']);
  const large = new Homes(limits);
  for (const name of ['12345678', '123']) large.send(name);
  assert.deepEqual(large.answers, ['123: unavailable 1000']);
  const late = new Homes();
  late.send('a', 500);
  late.send('b', 4000);
  late.clock.advance(501);
  assert.deepEqual(late.answers, ['a: unavailable 1000']);
  await late.open();
  assert.deepEqual(late.names, ['b']);
});

test('without an answer of any home for 5 s, requests that wait are answered 503, and later ones at once, until there is a home', async () => {
  const homes = await opened();
  homes.send('a');
  await settled();
  await homes.kill();
  homes.clock.advance(10); // it is dialled again
  homes.clock.advance(4900);
  homes.send('b');
  assert.deepEqual(homes.answers.splice(0), ['left a']);
  homes.clock.advance(100);
  assert.deepEqual(homes.answers.splice(0), ['a: unavailable 1000', 'b: unavailable 1000', 'cut off']);
  homes.send('c');
  assert.deepEqual(homes.answers.splice(0), ['c: unavailable 1000']);
  await homes.open();
  homes.send('d');
  await settled();
  await homes.answer(1);
  assert.deepEqual(homes.answers, ['answer to d']);
});

test('requests wait for a home that answers but does not serve yet, also after the node was cut off', async () => {
  const homes = await opened();
  await homes.kill();
  homes.isNear = true;
  homes.send('a');
  homes.clock.advance(20_000);
  assert.deepEqual(homes.answers, []);
  homes.isNear = false;
  homes.clock.advance(5000);
  assert.deepEqual(homes.answers.splice(0), ['a: unavailable 1000', 'cut off']);
  homes.isNear = true;
  homes.clock.advance(500);
  homes.send('b');
  await homes.open();
  await homes.answer();
  assert.deepEqual(homes.answers, ['answer to b']);
});

test('a home that changes gets the full time', async () => {
  const homes = await opened();
  await homes.kill();
  homes.clock.advance(4000);
  homes.send('a');
  homes.home.relink();
  homes.clock.advance(4800);
  assert.deepEqual(homes.answers, []);
  await homes.open();
  await homes.answer();
  assert.deepEqual(homes.answers, ['answer to a']);
});

test('a client that disconnects while its request waits is forgotten', async () => {
  const homes = new Homes();
  homes.send('a')();
  homes.send('b');
  await homes.open();
  assert.deepEqual(homes.names, ['b']);
});

test('requests that waited are sent in their order, a few at a time, and later ones behind them', async () => {
  const homes = new Homes({ ...waitingLimits, atOnceMax: 2 });
  for (const name of ['a', 'b', 'c']) homes.send(name);
  await homes.open();
  homes.send('d');
  await settled();
  assert.deepEqual(homes.names, ['a', 'b']);
  await homes.answer(0);
  assert.deepEqual(homes.names, ['a', 'b', 'c']);
  await homes.answer(1);
  assert.deepEqual(homes.names, ['a', 'b', 'c', 'd']);
});

test('a home that gives its place to another one answers what it has, and gets nothing more', async () => {
  const homes = await opened();
  homes.send('a');
  await settled();
  let hasLeft = false;
  void homes.link.leave().then(() => (hasLeft = true));
  await settled();
  homes.send('b');
  await settled();
  assert.equal(hasLeft, false);
  await homes.answer();
  assert.equal(hasLeft, true);
  await homes.open();
  assert.deepEqual([homes.names, homes.answers], [['a', 'b'], ['answer to a']]);
});

test('a link over a detour is replaced once the home answers without one, and what is under way is answered before', async () => {
  const homes = new Homes();
  await homes.open(true, true);
  const beat = async (ms: number): Promise<void> => {
    for (let passedMs = 0; passedMs < ms; passedMs += 500) {
      homes.link.beat();
      await settled();
      homes.clock.advance(500);
      await settled();
    }
  };
  homes.send('a');
  await beat(10_000);
  homes.isDirect = true;
  await beat(5000);
  homes.send('b');
  await settled();
  assert.deepEqual(homes.names, ['a'], 'later ones wait');
  await homes.answer();
  await homes.open(true);
  assert.deepEqual([homes.names, homes.answers], [['a', 'b'], ['answer to a']]);
  await beat(20_000);
  homes.send('c');
  await settled();
  assert.deepEqual(homes.names, ['a', 'b', 'c'], 'the direct link stays');
});

test('a request that takes longer than a link over a detour has, is entered again', async () => {
  const homes = new Homes();
  homes.isDirect = true;
  await homes.open(true, true);
  homes.send('a');
  for (let each = 0; each < 13; each++) {
    homes.link.beat();
    await settled();
    homes.clock.advance(500);
    await settled();
  }
  await homes.open(true);
  await homes.answer(1);
  assert.deepEqual(
    [homes.names, homes.answers],
    [
      ['a', 'a'],
      ['left a', 'answer to a'],
    ],
  );
});

test('whatever happens to the homes, each request is answered once', async () => {
  const event = fc.constantFrom('send', 'answer', 'kill', 'relink', 'leave');
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 25 }), async (events) => {
      const homes = await opened({ ...waitingLimits, atOnceMax: 2 });
      let sent = 0;
      for (const each of events) {
        if (each === 'send') homes.send(`r${sent++}`);
        else if (each === 'answer') homes.requests.shift()?.respond(Buffer.from('answered'), 0);
        else if (each === 'leave') void homes.link.leave();
        else {
          if (each === 'kill') await homes.kill();
          else homes.home.relink();
          await homes.open();
        }
        await settled();
      }
      await homes.kill();
      await homes.open();
      for (let request = homes.requests.shift(); request !== undefined; request = homes.requests.shift()) {
        request.respond(Buffer.from('answered'), 0);
        await settled();
      }
      assert.equal(homes.answers.filter((answer) => answer === 'answered').length, sent);
    }),
    { numRuns: 40 },
  );
});
