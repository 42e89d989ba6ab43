import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type DesiredState,
  type DesiredVariant,
  functionType,
  isSameKind,
  type ObservedState,
  type ObservedWorker,
  type PlanStep,
  plan,
  type ServedState,
} from './plan.ts';

const one: DesiredVariant = { variant: 'alltraffic', model: 'digits/1', instanceType: 'local.1', count: 1, isElastic: false };
const elastic: DesiredVariant = { ...one, instanceType: functionType, count: 0, isElastic: true };
const elasticTwo: DesiredVariant = { ...elastic, model: 'digits/2' };
const two: DesiredVariant = { ...one, model: 'digits/2' };

const shadow: DesiredVariant = { ...two, variant: 'shadow', isShadow: true };

function worker(id: string, variant: DesiredVariant, more: Partial<ObservedWorker> = {}): ObservedWorker {
  const { model, instanceType } = variant;
  return { id, variant: variant.variant, model, instanceType, isReady: true, isDraining: false, ...more };
}

function served(generation: number, ...variants: DesiredVariant[]): ServedState {
  return { kind: 'served', generation, variants };
}

describe('the plan', () => {
  const inService = (generation: number, ...variants: DesiredVariant[]): DesiredState => ({ state: 'InService', generation, variants });
  const drain = (workerId: string): PlanStep => ({ kind: 'drain', workerId });
  const unknown: ServedState = { kind: 'unknown' };
  const cases: { when: string; desired: DesiredState; observed: ObservedState; steps: readonly PlanStep[] }[] = [
    {
      when: 'nothing runs: starts every worker',
      desired: inService(1, { ...one, count: 2 }),
      observed: { workers: [], served: unknown },
      steps: [
        { kind: 'start', variant: { ...one, count: 2 } },
        { kind: 'start', variant: { ...one, count: 2 } },
      ],
    },
    {
      when: 'the first of two is ready: serves',
      desired: inService(1, { ...one, count: 2 }),
      observed: { workers: [worker('a', one), worker('b', one, { isReady: false })], served: unknown },
      steps: [{ kind: 'serve' }],
    },
    {
      when: 'a shadow does not start: serves without it',
      desired: inService(2, one, shadow),
      observed: { workers: [worker('a', one), worker('b', shadow, { isReady: false })], served: served(1, one) },
      steps: [{ kind: 'serve' }],
    },
    {
      when: 'only a shadow is ready: does not serve',
      desired: inService(1, one, shadow),
      observed: { workers: [worker('a', one, { isReady: false }), worker('b', shadow)], served: unknown },
      steps: [],
    },
    {
      when: 'the desired state is reached: does nothing',
      desired: inService(1, one),
      observed: { workers: [worker('a', one)], served: served(1, one) },
      steps: [],
    },
    {
      when: 'a reload is requested: starts one more worker',
      desired: inService(1, { ...one, count: 2 }),
      observed: { workers: [worker('a', one, { isStale: true }), worker('b', one, { isStale: true })], served: served(1, one) },
      steps: [{ kind: 'start', variant: { ...one, count: 2 } }],
    },
    {
      when: 'the new worker of a reload is not ready: waits',
      desired: inService(1, one),
      observed: { workers: [worker('a', one, { isStale: true }), worker('b', one, { isReady: false })], served: served(1, one) },
      steps: [],
    },
    {
      when: 'the new worker of a reload is ready: drains an old one',
      desired: inService(1, one),
      observed: { workers: [worker('a', one, { isStale: true }), worker('b', one)], served: served(1, one) },
      steps: [drain('a')],
    },
    {
      when: 'a new version is desired: starts it in addition to the old one',
      desired: inService(2, two),
      observed: { workers: [worker('a', one)], served: served(1, one) },
      steps: [{ kind: 'start', variant: two }],
    },
    {
      when: 'the new version is ready: serves it, then drains the old one',
      desired: inService(2, two),
      observed: { workers: [worker('a', one), worker('b', two)], served: served(1, one) },
      steps: [{ kind: 'serve' }, drain('a')],
    },
    {
      when: 'the new version is not complete: waits',
      desired: inService(2, { ...two, count: 2 }),
      observed: { workers: [worker('a', one), worker('b', two), worker('c', two, { isReady: false })], served: served(1, one) },
      steps: [],
    },
    {
      when: 'only the settings change: keeps the workers',
      desired: inService(2, one),
      observed: { workers: [worker('a', one)], served: served(1, one) },
      steps: [{ kind: 'serve' }],
    },
    {
      when: 'fewer workers are desired: drains those that are not ready first',
      desired: inService(2, one),
      observed: { workers: [worker('a', one, { isReady: false }), worker('b', one)], served: served(1, { ...one, count: 2 }) },
      steps: [{ kind: 'serve' }, drain('a')],
    },
    {
      when: 'an update is superseded: drains workers that never served',
      desired: inService(3, { ...one, model: 'digits/3' }),
      observed: { workers: [worker('a', one), worker('b', two)], served: served(1, one) },
      steps: [{ kind: 'start', variant: { ...one, model: 'digits/3' } }, drain('b')],
    },
    {
      when: 'it is being unloaded: rejects requests first',
      desired: { state: 'Unloaded', generation: 1, variants: [one] },
      observed: { workers: [worker('a', one)], served: served(1, one) },
      steps: [{ kind: 'suspend' }],
    },
    {
      when: 'it is being unloaded and rejects requests: drains',
      desired: { state: 'Unloaded', generation: 1, variants: [one] },
      observed: { workers: [worker('a', one)], served: { kind: 'suspended' } },
      steps: [drain('a')],
    },
    {
      when: 'it is deleted before it ever served: drains',
      desired: { state: 'Deleted', generation: 1, variants: [one] },
      observed: { workers: [worker('a', one, { isReady: false })], served: unknown },
      steps: [drain('a')],
    },
    {
      when: 'a deleted endpoint has no workers left: erases it',
      desired: { state: 'Deleted', generation: 1, variants: [one] },
      observed: { workers: [], served: unknown },
      steps: [{ kind: 'erase' }],
    },
    {
      when: 'it is serverless and nothing runs: serves at once',
      desired: inService(1, elastic),
      observed: { workers: [], served: unknown },
      steps: [{ kind: 'serve' }],
    },
    {
      when: 'it is serverless and functions start and stop: does nothing',
      desired: inService(1, elastic),
      observed: { workers: [worker('f', elastic), worker('g', elastic, { isReady: false })], served: served(1, elastic) },
      steps: [],
    },
    {
      when: 'a new version is desired and it is serverless: serves it, then drains the old functions',
      desired: inService(2, elasticTwo),
      observed: { workers: [worker('f', elastic), worker('g', elastic, { isReady: false })], served: served(1, elastic) },
      steps: [{ kind: 'serve' }, drain('f'), drain('g')],
    },
    {
      when: 'it changes from instances to serverless: serves, then drains the instances',
      desired: inService(2, elastic),
      observed: { workers: [worker('a', one)], served: served(1, one) },
      steps: [{ kind: 'serve' }, drain('a')],
    },
    {
      when: 'it changes from serverless to instances: functions stay until the instances are ready',
      desired: inService(2, one),
      observed: { workers: [worker('f', elastic), worker('a', one, { isReady: false })], served: served(1, elastic) },
      steps: [],
    },
    {
      when: 'it was serverless and its instances are ready: serves, then drains the functions',
      desired: inService(2, one),
      observed: { workers: [worker('f', elastic), worker('a', one)], served: served(1, elastic) },
      steps: [{ kind: 'serve' }, drain('f')],
    },
    {
      when: 'a reload is requested and it is serverless: drains the old functions',
      desired: inService(1, elastic),
      observed: { workers: [worker('f', elastic, { isStale: true }), worker('g', elastic)], served: served(1, elastic) },
      steps: [drain('f')],
    },
    {
      when: 'it is serverless and unloaded: drains its functions',
      desired: { state: 'Unloaded', generation: 1, variants: [elastic] },
      observed: { workers: [worker('f', elastic), worker('g', elastic, { isReady: false })], served: { kind: 'suspended' } },
      steps: [drain('f'), drain('g')],
    },
  ];
  for (const { when, desired, observed, steps } of cases) test(when, () => assert.deepEqual(plan(desired, observed), steps));
});

/** A simulation in which steps succeed: workers become ready or stop one by one, in the order that the property picks. */
class World {
  workers: ObservedWorker[];
  served: ServedState;
  isErased = false;
  #count = 0;

  constructor(observed: ObservedState) {
    this.workers = [...observed.workers];
    this.served = observed.served;
  }

  take(step: PlanStep, desired: DesiredState): void {
    switch (step.kind) {
      case 'start':
        this.workers.push(worker(`new-${this.#count++}`, step.variant, { isReady: false }));
        return;
      case 'serve':
        this.served = { kind: 'served', generation: desired.generation, variants: desired.variants };
        return;
      case 'suspend':
        this.served = { kind: 'suspended' };
        return;
      case 'forget':
        this.served = { kind: 'unknown' };
        return;
      case 'drain':
        this.#set(step.workerId, { isDraining: true });
        return;
      case 'erase':
        this.isErased = true;
    }
  }

  /** One pending worker becomes ready or stops; false if none is pending. */
  advance(pick: number): boolean {
    const moving = this.workers.filter((candidate) => candidate.isDraining || !candidate.isReady);
    const chosen = moving[pick % Math.max(moving.length, 1)];
    if (chosen === undefined) return false;
    if (chosen.isDraining) this.workers = this.workers.filter((candidate) => candidate.id !== chosen.id);
    else this.#set(chosen.id, { isReady: true });
    return true;
  }

  /** A worker's process crashes; its provider will restart it. */
  crash(pick: number): void {
    const chosen = this.workers[pick % Math.max(this.workers.length, 1)];
    if (chosen !== undefined) this.#set(chosen.id, { isReady: false });
  }

  /** Number of workers that can take requests by the current routing; infinite with a serverless variant. */
  serving(): number {
    const { served: now } = this;
    if (now.kind !== 'served') return 0;
    if (now.variants.some(({ isElastic }) => isElastic)) return Number.POSITIVE_INFINITY;
    return this.workers.filter((w) => w.isReady && !w.isDraining && now.variants.some((kind) => isSameKind(kind, w))).length;
  }

  #set(id: string, change: Partial<ObservedWorker>): void {
    this.workers = this.workers.map((candidate) => (candidate.id === id ? { ...candidate, ...change } : candidate));
  }
}

describe('from any observed state, the plan', () => {
  const named = { variant: fc.constantFrom('a', 'b'), model: fc.constantFrom('m/1', 'm/2', 'm/3') };
  const instances = fc.record({
    ...named,
    instanceType: fc.constantFrom('local.1', 'local.2'),
    count: fc.integer({ min: 1, max: 4 }),
    isElastic: fc.constant(false),
  });
  const functions = fc.record({
    ...named,
    instanceType: fc.constant(functionType),
    count: fc.constant(0),
    isElastic: fc.constant(true),
  });
  const variantArbitrary: fc.Arbitrary<DesiredVariant> = fc.oneof({ weight: 3, arbitrary: instances }, { weight: 1, arbitrary: functions });
  const variants = fc.uniqueArray(variantArbitrary, { minLength: 1, maxLength: 2, selector: ({ variant }) => variant });
  const desired: fc.Arbitrary<DesiredState> = fc.record({
    state: fc.constantFrom('InService' as const, 'InService' as const, 'Unloaded' as const, 'Deleted' as const),
    generation: fc.constantFrom(1, 2),
    variants,
  });
  const workers = fc
    .array(fc.record({ kind: variantArbitrary, isReady: fc.boolean(), isDraining: fc.boolean() }), { maxLength: 8 })
    .map((list) => list.map(({ kind, isReady, isDraining }, index) => worker(`old-${index}`, kind, { isReady, isDraining })));
  const servedArbitrary: fc.Arbitrary<ServedState> = fc.oneof(
    fc.constant<ServedState>({ kind: 'unknown' }),
    fc.constant<ServedState>({ kind: 'suspended' }),
    variants.map((list) => served(1, ...list)),
  );

  test('reaches the desired state, always keeps a serving worker, and never runs more workers than old and new together', () => {
    fc.assert(
      fc.property(
        desired,
        workers,
        servedArbitrary,
        fc.array(fc.nat(), { maxLength: 40 }),
        fc.array(fc.nat(), { maxLength: 5 }),
        (wish, found, routed, picks, crashes) => {
          // If the desired generation is served, then with the desired variants.
          const routing = routed.kind === 'served' && wish.generation === 1 ? served(1, ...wish.variants) : routed;
          const world = new World({ workers: found, served: routing });
          const wanted = wish.variants.reduce((sum, { count }) => sum + count, 0);
          for (let round = 0; round < 200 && !world.isErased; round++) {
            const steps = plan(wish, { workers: world.workers, served: world.served });
            for (const step of steps) {
              const before = world.serving();
              assert.ok(step.kind !== 'start' || !step.variant.isElastic, 'the plan never starts functions');
              world.take(step, wish);
              if (wish.state === 'InService' && before > 0)
                assert.ok(world.serving() > 0, `${step.kind} took the last serving worker away`);
            }
            const running = world.workers.filter(({ isDraining }) => !isDraining).length;
            assert.ok(running <= wanted + found.length, `${running} workers for ${wanted} wanted and ${found.length} found`);
            const crash = crashes[round];
            if (crash !== undefined) world.crash(crash);
            if (!world.advance(picks[round] ?? 0) && steps.length === 0) break;
          }
          if (wish.state === 'Deleted') return assert.ok(world.isErased && world.workers.length === 0);
          if (wish.state === 'Unloaded') return assert.deepEqual([world.workers, world.served.kind], [[], 'suspended']);
          assert.deepEqual(world.served, served(wish.generation, ...wish.variants));
          let functionsLeft = 0;
          for (const variant of wish.variants) {
            const ready = world.workers.filter((w) => w.isReady && isSameKind(w, variant)).length;
            if (variant.isElastic) functionsLeft += ready;
            else assert.equal(ready, variant.count);
          }
          assert.equal(world.workers.length, wanted + functionsLeft);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('has no steps once the desired state is reached', () => {
    fc.assert(
      fc.property(desired, (wish) => {
        const all = wish.variants.flatMap((variant) =>
          Array.from({ length: variant.count }, (_, index) => worker(`${variant.variant}-${index}`, variant)),
        );
        const observed: ObservedState = { workers: all, served: served(wish.generation, ...wish.variants) };
        assert.deepEqual(plan({ ...wish, state: 'InService' }, observed), []);
      }),
    );
  });
});
