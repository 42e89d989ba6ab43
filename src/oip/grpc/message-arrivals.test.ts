/** The time that a message may take to arrive. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { beforeEach, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { BodyBudget } from '../../http/index.ts';
import { type MessageArrival, MessageArrivals, type ReceivingCall } from './message-arrivals.ts';

const timeoutMs = 60_000;
let clock: VirtualClock;
let budget: BodyBudget;
let arrivals: MessageArrivals;
let failures: string[];
beforeEach(() => {
  clock = new VirtualClock();
  budget = new BodyBudget(1000);
  arrivals = new MessageArrivals({ budget, clock, timeoutMs });
  failures = [];
});

function begin(name: string): { readonly arrival: MessageArrival; readonly receive: (bytes: number) => void } {
  const stream = new EventEmitter();
  const arrival = arrivals.begin({ stream } as unknown as ReceivingCall, ({ code }) => failures.push(`${name} ${code}`));
  return { arrival, receive: (bytes) => stream.emit('data', Buffer.alloc(bytes)) };
}

test('a message that does not become complete in time fails its call and releases its memory', () => {
  begin('first').receive(10);
  clock.advance(timeoutMs / 2);
  begin('second').receive(20);
  clock.advance(timeoutMs / 2 + 1000);
  assert.deepEqual(failures, ['first deadline_exceeded']);
  assert.equal(budget.bytes, 20);
  clock.advance(timeoutMs / 2);
  assert.deepEqual(failures, ['first deadline_exceeded', 'second deadline_exceeded']);
  assert.equal(budget.bytes, 0);
});

test('a slow client gets no more time for sending byte by byte', () => {
  const { receive } = begin('slow');
  for (let second = 0; second < 70; second++) {
    receive(1);
    clock.advance(1000);
  }
  assert.deepEqual(failures, ['slow deadline_exceeded']);
});

test('the time begins again with the next message of a stream, not while no message is arriving', () => {
  const { arrival, receive } = begin('stream');
  receive(10);
  arrival.handedOver();
  clock.advance(10 * timeoutMs);
  receive(10);
  clock.advance(timeoutMs - 2000);
  arrival.handedOver();
  clock.advance(10 * timeoutMs);
  assert.deepEqual(failures, []);
  assert.equal(budget.bytes, 0);
});

test('an empty message, an ended call and a second end hold nothing', () => {
  const { arrival, receive } = begin('call');
  receive(5);
  arrival.completed(0);
  arrival.end();
  arrival.end();
  receive(100);
  clock.advance(10 * timeoutMs);
  assert.deepEqual(failures, []);
  assert.equal(budget.bytes, 0);
});
