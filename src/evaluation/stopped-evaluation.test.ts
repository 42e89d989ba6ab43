import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openControlPlane, plainInspection } from '../../test/control-plane.ts';
import type { TransformView } from '../async-inference/index.ts';
import { VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { Threads, ThreadTask } from '../threads/index.ts';
import type { CandidateTransforms } from './candidate-runs.ts';
import { compareTask } from './compare-models.ts';
import { Evaluations } from './evaluations.ts';
import { judgeTask } from './judge.ts';

const rows = 60;
const data = ['a,b,c,d,label', ...Array.from({ length: rows }, (_, i) => `0,0,0,0,${i % 2}`)].join('\n');
const results = Array.from({ length: rows }, (_, i) => JSON.stringify(i % 2 === 0 ? [0.75, 0.25] : [0.25, 0.75])).join('\n');
const inspection = plainInspection({
  signature: {
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }],
    outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 2] }],
  },
});

/** What is held back until `release` is called. */
interface Gate {
  readonly reached: Promise<void>;
  readonly pass: () => Promise<void>;
  readonly release: () => void;
}

function gate(): Gate {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    pass: () => {
      reached.resolve();
      return released.promise;
    },
    release: released.resolve,
  };
}

/** An evaluation of two models by transforms that have written their results, with one step held back. */
async function evaluating(t: TestContext, step: 'transform' | 'judging' | 'comparing') {
  const clock = new VirtualClock();
  const plane = await openControlPlane({ clock, inspect: async () => inspection });
  t.after(() => plane.close());
  for (const group of ['first', 'second']) {
    await plane.registry.register({ group, source: new TextEncoder().encode(group), sourceName: 'm.onnx', who: 'me' });
    await plane.registry.setApproval(group, 1, 'Approved', { who: 'me' });
  }
  const held = gate();
  const views = new Map<string, TransformView>();
  const transforms: CandidateTransforms = {
    create: async (spec) => {
      assert(spec.output.kind === 'file' && spec.input.kind === 'file');
      mkdirSync(spec.output.path, { recursive: true });
      writeFileSync(join(spec.output.path, `${basename(spec.input.path)}.out`), results);
      views.set(spec.name, { spec, state: step === 'transform' ? 'InProgress' : 'Completed', progress: { records: 0 } } as TransformView);
      return views.get(spec.name) as TransformView;
    },
    get: async (name) => {
      const view = views.get(name);
      if (view === undefined) throw new PlatformError('not_found', 'there is no such transform');
      return view;
    },
    stop: async (name) => {
      views.set(name, { ...(views.get(name) as TransformView), state: 'Stopped' });
      return views.get(name) as TransformView;
    },
    settled: () => held.pass(),
  };
  const heldTask = { transform: null, judging: judgeTask, comparing: compareTask }[step] as ThreadTask<unknown, unknown> | null;
  const threads: Threads = {
    run: async (task, input) => {
      if ((task as unknown) === heldTask) await held.pass();
      return task.run(input);
    },
  };
  const evaluations = new Evaluations({ ...plane, transforms, threads, directory: join(plane.directory, 'evaluations') });
  const source = (async function* () {
    yield new TextEncoder().encode(data);
  })();
  await evaluations.sets.put({ name: 'holdout', source, format: 'csv', label: 'label', metric: 'accuracy' }, 'me');
  const { id } = await evaluations.create({ set: 'holdout', models: ['first', 'second'], skipsBadLabels: false }, 'me');
  return { evaluations, id, held, clock };
}

for (const step of ['transform', 'judging', 'comparing'] as const) {
  test(`an evaluation that is stopped at the step ${step} stays stopped, and never completes`, async (t) => {
    const { evaluations, id, held, clock } = await evaluating(t, step);
    await held.reached;
    const stopped = evaluations.stop(id, 'me');
    await evaluations.get(id); // the database answers in order, so the stop is under way
    held.release();
    const over = stopped.then(() => true);
    while (!(await Promise.race([over, new Promise<false>((resolve) => setImmediate(() => resolve(false)))]))) clock.advance(50);
    const states = async () => {
      const { state, candidates, endedAtMs } = await evaluations.get(id);
      return [state, ...candidates.map((each) => each.state), endedAtMs !== null];
    };
    assert.equal((await stopped).state, 'Stopped');
    const atStop = await states();
    assert(!atStop.includes('InProgress'));
    await evaluations.close();
    clock.advance(60_000);
    assert.deepEqual(await states(), atStop);
    await assert.rejects(evaluations.stop(id, 'me'), /is Stopped: only an evaluation in progress can be stopped/);
  });
}

test('no more evaluations run than the limit, also of those that are requested at once', async (t) => {
  const { evaluations, held, clock } = await evaluating(t, 'transform');
  const request = { set: 'holdout', models: ['first'], skipsBadLabels: false };
  const created = await Promise.allSettled(Array.from({ length: 40 }, () => evaluations.create(request, 'me')));
  const rejected = created.flatMap((each) => (each.status === 'rejected' ? [(each.reason as Error).message] : []));
  assert.deepEqual(
    [created.length - rejected.length, new Set(rejected)],
    [19, new Set(['20 evaluations are in progress, which is the limit: wait for one to end'])],
  );
  held.release();
  const closed = evaluations.close().then(() => true);
  while (!(await Promise.race([closed, new Promise<false>((resolve) => setImmediate(() => resolve(false)))]))) clock.advance(50);
});
