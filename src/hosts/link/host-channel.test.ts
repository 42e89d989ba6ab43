import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import fc from 'fast-check';
import { socketPair, until } from '../../../test/hosts-fixture.ts';
import { SystemClock, VirtualClock } from '../../clock.ts';
import { type Frame, messageFrame, payloadFrame, readFrameBody } from '../../runtime/index.ts';
import { HostChannel } from './host-channel.ts';
import { beatFrame, hostKinds, partHead } from './host-frames.ts';

const open: HostChannel[] = [];
afterEach(() => {
  for (const channel of open.splice(0)) channel.end('the test is over');
});

interface End {
  readonly channel: HostChannel;
  readonly frames: Frame[];
  why: string | null;
}

function endOf(socket: Socket, clock: SystemClock | VirtualClock = new SystemClock(), measures = false): End {
  const end = { frames: [] as Frame[], why: null as string | null };
  const channel = new HostChannel(socket, {
    clock,
    measures,
    onFrame: (frame) => end.frames.push(frame),
    onEnd: (why) => {
      end.why = why;
    },
  });
  open.push(channel);
  return Object.assign(end, { channel });
}

test('a large frame arrives whole, and small ones of other calls overtake it', async () => {
  const [near, far] = await socketPair();
  const [sender, receiver] = [endOf(near), endOf(far)];
  const body = Buffer.alloc(20 * 1024 ** 2, 7);
  sender.channel.send(1, payloadFrame(1, hostKinds.invoke, {}, body));
  sender.channel.send(2, [messageFrame(2, hostKinds.command, { method: 'status' })]);
  sender.channel.send(1, [messageFrame(1, hostKinds.taken, { bytes: 1 })]);
  assert(sender.channel.isSending(1));
  await until(() => receiver.frames.length === 3, 'three frames');
  assert.deepEqual(
    receiver.frames.map(({ call, kind }) => [call, kind]),
    [
      [2, hostKinds.command],
      [1, hostKinds.invoke],
      [1, hostKinds.taken],
    ],
  );
  assert.deepEqual(readFrameBody(receiver.frames[1] as Frame), body);
  assert.deepEqual([sender.channel.waitingBytes, sender.channel.isSending(1)], [0, false]);
});

test('frames of a call keep their order and content, whatever their sizes', async () => {
  const frames = fc.array(fc.record({ call: fc.integer({ min: 1, max: 3 }), bytes: fc.oneof(fc.nat(300), fc.nat(400_000)) }), {
    minLength: 1,
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(frames, async (sent) => {
      const [near, far] = await socketPair();
      const [sender, receiver] = [endOf(near), endOf(far)];
      for (const [number, { call, bytes }] of sent.entries())
        sender.channel.send(call, payloadFrame(call, hostKinds.piece, { number }, Buffer.alloc(bytes, number)));
      await until(() => receiver.frames.length === sent.length, 'all frames');
      for (const call of [1, 2, 3]) {
        const received = receiver.frames.filter((frame) => frame.call === call);
        const expected = [...sent.entries()].filter(([, frame]) => frame.call === call);
        assert.deepEqual(
          received.map((frame) => [(frame.message as { number: number }).number, readFrameBody(frame)]),
          expected.map(([number, { bytes }]) => [number, Buffer.alloc(bytes, number)]),
        );
      }
      sender.channel.end('done');
      receiver.channel.end('done');
    }),
    { numRuns: 15 },
  );
});

test('a side that is silent for 1.5 s is lost, without the end of its connection', async () => {
  const clock = new VirtualClock();
  const [near, far] = await socketPair();
  const alive = endOf(near, clock);
  clock.advance(1500);
  assert.equal(alive.why, null);
  clock.advance(500);
  assert.equal(alive.why, 'nothing arrived for 1.5 s');
  far.destroy();
});

test('the end that measures knows the round trip and the clock of the other, although frames are sent all the time', async () => {
  const clock = new VirtualClock();
  const [near, far] = await socketPair();
  const ahead = new VirtualClock(clock.wallMs() + 5000);
  const home = endOf(near, clock, true);
  const agent = endOf(far, ahead);
  assert.equal(home.channel.measured, null);
  home.channel.send(1, [messageFrame(1, hostKinds.command, {})]);
  clock.advance(500);
  await until(() => home.channel.measured !== null, 'the beat is echoed');
  assert.deepEqual(home.channel.measured, { lagMs: 0, aheadMs: 4500 });
  assert.equal(agent.channel.measured, null);
  assert.deepEqual([home.frames.length, agent.frames.length], [0, 1]);
});

test('an agent that echoes no beats, as one of an older version, has no lag', async () => {
  const clock = new VirtualClock();
  const [near, far] = await socketPair();
  const home = endOf(near, clock, true);
  clock.advance(500);
  const before = near.bytesRead;
  far.write(beatFrame());
  await until(() => near.bytesRead > before, 'a beat arrives');
  await new Promise(setImmediate);
  assert.deepEqual([home.channel.measured, home.why], [null, null]);
  far.resume().destroy();
});

test('beats keep an idle link', async () => {
  const clock = new VirtualClock();
  const [near, far] = await socketPair();
  const alive = endOf(near, clock);
  for (let second = 0; second < 4; second++) {
    clock.advance(900);
    const before = near.bytesRead;
    far.write(beatFrame());
    await until(() => near.bytesRead > before, 'a beat arrives');
    await new Promise(setImmediate);
  }
  assert.deepEqual([alive.why, alive.frames], [null, []]);
  far.resume();
  far.destroy();
});

for (const [what, bytes] of [
  ['a length that no frame has', Buffer.alloc(16, 0xff)],
  ['text that is no JSON', Buffer.concat([messageFrame(1, hostKinds.report, 'x').fill('{', 16, 17)])],
  ['a frame in parts of 3 GB', Buffer.concat([partHead(1, 3 * 1024 ** 3, 8), Buffer.alloc(8)])],
  ['a part that is longer than its frame', Buffer.concat([partHead(1, 16, 24), Buffer.alloc(24)])],
  ['parts whose frame says another length', Buffer.concat([partHead(1, 24, 24), Buffer.alloc(24)])],
  ['a part that is cut off', partHead(1, 1024, 0).fill(0xff, 20, 24)],
  ['more frames in parts than fit in memory', Buffer.concat([1, 2, 3].flatMap((call) => [partHead(call, 1024 ** 3, 8), Buffer.alloc(8)]))],
] as const) {
  test(`${what} ends the link, not the process`, async () => {
    const [near, far] = await socketPair();
    const end = endOf(near);
    far.resume().write(bytes);
    await once(near, 'close');
    assert.match(end.why ?? '', /malformed|JSON/);
    assert.deepEqual(end.frames, []);
  });
}
