import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { InferenceInput, InferenceOutput } from '../../../async-inference/index.ts';
import type { CapturedExchange } from '../../../data-quality/index.ts';
import { SeededRandom } from '../../../random.ts';
import type { ServedRoute, Shadow } from '../../../serving/index.ts';
import { bytesOf, type Tensor } from '../../../tensor.ts';
import { ShadowComparison } from './shadow-comparison.ts';
import { ShadowCopies } from './shadow-copies.ts';

const route = { endpoint: 'e', variant: 'live', capture: null } as unknown as ServedRoute;
const shadowRoute = { endpoint: 'e', variant: 'shadow', capture: null, timeoutMs: 60_000 } as unknown as ServedRoute;
const input = { contentType: 'text/csv', body: Buffer.from('1,2') };
const output = { contentType: 'application/json; charset=utf-8', body: Buffer.from('{}') };
const answer: InferenceOutput = { contentType: 'text/csv', body: Buffer.from('1'), variant: 'shadow' };

function openCopies({ share = 1, isObserved = false }: Partial<Pick<Shadow, 'share' | 'isObserved'>> = {}) {
  const ran: InferenceInput[] = [];
  const captured: string[] = [];
  let dropped = 0;
  const state = { isShort: false, run: (): Promise<InferenceOutput> => Promise.resolve(answer) };
  const exchange: CapturedExchange = {
    part: () => captured.push('part'),
    end: () => captured.push('end'),
    failed: () => captured.push('failed'),
  };
  const compared: number[] = [];
  const comparison = new ShadowComparison({
    calls: { begin: () => exchange },
    onCompared: (_shadow, disagreement) => compared.push(disagreement),
  });
  const copies = new ShadowCopies({
    comparison,
    calls: { begin: () => exchange },
    serving: {
      shadowOf: (of) => (of === route ? { route: shadowRoute, share, isObserved } : null),
      copyDropped: () => void dropped++,
    },
    run: (of, request) => {
      assert.equal(of, shadowRoute);
      ran.push(request);
      return state.run();
    },
    random: new SeededRandom(1),
    isMemoryShort: () => state.isShort,
    onDropped: (of) => assert.equal(of, shadowRoute),
  });
  const call = (id = 'r'): void => copies.begin(route, id, null)?.end(input, output);
  return { copies, ran, captured, state, call, compared, comparison, dropped: () => dropped };
}

test('copies a request once its answer was handed over, and asks for the same format', async () => {
  const { ran, call } = openCopies();
  call('r1');
  assert.equal(ran.length, 0, 'nothing is decoded before the answer was sent');
  await turn();
  const [{ requestId, inferenceId, contentType, accept, body } = {} as InferenceInput] = ran;
  assert.deepEqual([requestId, inferenceId, contentType, accept], ['r1-shadow', 'r1', 'text/csv', 'application/json']);
  assert.notEqual(body, input.body, 'the capture may hold the original');
  assert.deepEqual(body, input.body);
});

test('copies its share of the requests, also of those that failed', async () => {
  const { copies, ran } = openCopies({ share: 0.25 });
  for (let i = 0; i < 4000; i++) {
    const exchange = copies.begin(route, `r${i}`, null);
    if (i % 2 === 0) exchange?.end(input, output);
    else exchange?.failed(input);
    await turn();
  }
  // 4 standard deviations of a binomial distribution with n = 4,000 and p = 0.25.
  assert(Math.abs(ran.length - 1000) < 110, `1000 expected, got ${ran.length}`);
});

test('captures the call itself only if it is observed, and leaves calls without a shadow alone', () => {
  const plain = openCopies();
  plain.call();
  assert.deepEqual(plain.captured, []);
  const observed = openCopies({ isObserved: true });
  observed.call();
  observed.copies.begin(shadowRoute, 'r', null)?.end(input, output);
  assert.deepEqual(observed.captured, ['end', 'end']);
});

test('a busy shadow gets no more than 64 copies at a time: others are dropped and counted', async () => {
  const { ran, state, call, dropped } = openCopies();
  const held = Promise.withResolvers<InferenceOutput>();
  state.run = () => held.promise;
  for (let i = 0; i < 100; i++) call();
  await turn();
  assert.deepEqual([ran.length, dropped()], [64, 36]);
  held.resolve(answer);
  await turn();
  call();
  await turn();
  assert.deepEqual([ran.length, dropped()], [65, 36]);
});

test('nothing is copied while memory is short', async () => {
  const { ran, state, call, dropped } = openCopies();
  state.isShort = true;
  call();
  await turn();
  assert.deepEqual([ran.length, dropped()], [0, 1]);
});

test('a shadow that fails, or breaks off its stream, takes further copies and nothing else notices', async () => {
  const { ran, state, call } = openCopies();
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('1');
    throw new Error('broken off');
  }
  for (const run of [() => Promise.reject(new Error('no')), () => Promise.resolve({ ...answer, body: broken() })]) {
    state.run = run;
    for (let i = 0; i < 70; i++) {
      call();
      await turn();
      await turn();
    }
  }
  assert.equal(ran.length, 140);
});

test('compares the answers of the shadow with those of clients, row by row, also if neither is captured', async () => {
  const { copies, comparison, compared, captured, state } = openCopies();
  const labels = (...values: number[]): Tensor[] => [
    { name: 'label', datatype: 'INT32', shape: [values.length], data: bytesOf(Int32Array.from(values)) },
  ];
  const answerBy = (...values: number[]): void => {
    state.run = async () => {
      const own = comparison.begin(shadowRoute, 'r1-shadow', null);
      own?.part(0, [], labels(...values), values.length);
      own?.end(input, output);
      return answer;
    };
  };
  const call = async (...values: number[]): Promise<void> => {
    const exchange = copies.begin(route, 'r1', null);
    exchange?.part(0, [], labels(...values), values.length);
    exchange?.end(input, output);
    await turn();
  };
  answerBy(1, 2, 3, 5);
  await call(1, 2, 3, 4);
  answerBy(7);
  await call(7);
  assert.deepEqual(compared, [0.25, 0]);
  answerBy(1, 2);
  await call(1);
  copies.begin(route, 'r1', null)?.failed(input);
  await turn();
  assert.deepEqual(compared, [0.25, 0], 'answers of other forms, and those of failed calls, are not compared');
  assert.deepEqual(captured, []);
});
