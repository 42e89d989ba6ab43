import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { VirtualClock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { Jobs } from '../../storage/index.ts';
import { addDelivery, announceDeliveries, Deliveries, type Delivery, deliveriesQueue, originOf } from './deliveries.ts';

async function fixture(t: TestContext) {
  const { db, dialect, close } = await openMemoryDatabase();
  t.after(close);
  const clock = new VirtualClock(Date.UTC(2026, 10, 24));
  const jobs = new Jobs({ db, dialect, clock });
  const begun: string[] = [];
  const delivered: string[] = [];
  const failures: string[] = [];
  const forgotten: number[] = [];
  const ended: string[] = [];
  /** Hanging deliveries, until they are released. */
  const hanging: (() => void)[] = [];
  const scene = {
    hangs: (_arn: string): boolean => false,
    refusal: (_arn: string, _body: string): Error | null => null,
    isFull: false,
  };
  const openDeliveries = () => {
    const deliveries = new Deliveries({
      db,
      clock,
      jobs,
      deliver: async ({ target: { arn }, body }) => {
        begun.push(`${arn} ${body}`);
        if (scene.hangs(arn)) {
          await new Promise<void>((resolve) => hanging.push(resolve));
          throw new PlatformError('unavailable', 'no answer within 10 s');
        }
        const refusal = scene.refusal(arn, body);
        if (refusal !== null) throw refusal;
        delivered.push(`${arn} ${body}`);
      },
      onEnded: async (tx, { actionOf, body }, reason) => {
        assert(tx.isTransaction);
        if (scene.isFull) throw new Error('the disk is full');
        ended.push(`${actionOf?.alarm} ${actionOf?.action} ${body}: ${reason}`);
      },
      onDropped: (count) => forgotten.push(count),
      onFailure: (what, error) => failures.push(`${what}: ${String(error)}`),
    });
    deliveries.open();
    return deliveries;
  };
  /** Lets all running work complete. */
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 400; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  const add = async (arn: string, body: string, retry?: Delivery['target']['retry'], about?: string): Promise<void> =>
    addDelivery(jobs, db, { rule: 'r', target: { id: 't', arn, retry }, body, eventId: body, about });
  const addAction = async (arn: string, body: string): Promise<void> => {
    const actionOf = { alarm: 'slow', action: 'arn:topic' };
    await addDelivery(jobs, db, { rule: 'alarm slow', target: { id: 't', arn }, body, eventId: '', actionOf });
  };
  const tell = async (): Promise<void> => {
    announceDeliveries(jobs);
    await settle();
  };
  const end = async (deliveries: Deliveries): Promise<void> => {
    scene.hangs = () => false;
    const closed = deliveries.close();
    for (const letGo of hanging.splice(0)) letGo();
    await closed;
  };
  return { clock, jobs, begun, delivered, failures, forgotten, ended, scene, hanging, openDeliveries, settle, add, addAction, tell, end };
}

const hook = (name: string): string => `http://${name}.example/hook`;

test('a hanging target has two slots and delays no other, however many deliveries it has', async (t) => {
  const { begun, delivered, scene, openDeliveries, add, tell, end } = await fixture(t);
  scene.hangs = (arn) => arn === hook('slow');
  for (let i = 0; i < 40; i++) await add(hook('slow'), String(i));
  const deliveries = openDeliveries();
  await tell();
  const wanted: string[] = [];
  for (let i = 0; i < 20; i++) {
    await add(hook('well'), String(i));
    wanted.push(`${hook('well')} ${i}`);
    await tell();
  }
  assert.deepEqual(delivered, wanted);
  assert.deepEqual(
    begun.filter((each) => each.startsWith(hook('slow'))),
    [`${hook('slow')} 0`, `${hook('slow')} 1`],
  );
  await end(deliveries);
});

test('refills a free slot at once while others still hang', async (t) => {
  const { begun, scene, hanging, openDeliveries, settle, add, tell, end } = await fixture(t);
  scene.hangs = () => true;
  for (let i = 0; i < 4; i++) await add(hook('slow'), String(i));
  const deliveries = openDeliveries();
  await tell();
  hanging.shift()?.();
  await settle();
  assert.deepEqual(
    begun.map((each) => each.split(' ')[1]),
    ['0', '1', '2'],
  );
  await end(deliveries);
});

test('many hanging targets leave slots for those that answer', async (t) => {
  const { delivered, scene, hanging, openDeliveries, settle, add, tell, end } = await fixture(t);
  scene.hangs = (arn) => arn !== hook('well');
  for (let host = 0; host < 30; host++) for (let i = 0; i < 5; i++) await add(hook(`slow${host}`), String(i));
  const deliveries = openDeliveries();
  await tell();
  assert.equal(hanging.length, 16);
  for (let round = 0; round < 6; round++) {
    for (const letGo of hanging.splice(0)) letGo();
    await settle();
  }
  // By now, every target is recorded as failing.
  assert.equal(hanging.length, 8);
  await add(hook('well'), 'a');
  await tell();
  assert.deepEqual(delivered, [`${hook('well')} a`]);
  await end(deliveries);
});

test('delivers to one origin in order', async (t) => {
  const { begun, openDeliveries, add, tell, end } = await fixture(t);
  for (let i = 0; i < 25; i++) await add(hook('well'), String(i));
  const deliveries = openDeliveries();
  await tell();
  assert.deepEqual(
    begun.map((each) => Number(each.split(' ')[1])),
    Array.from({ length: 25 }, (_, i) => i),
  );
  await end(deliveries);
});

test('delivers events of an object in order: a failing one blocks only that object until it is given up', async (t) => {
  const { clock, begun, delivered, scene, openDeliveries, settle, add, tell, end } = await fixture(t);
  scene.refusal = (_arn, body) => (body === 'digits DELETING' ? new PlatformError('unavailable', 'it answered 503') : null);
  const retry = { retriesMax: 1, ageSMax: 86_400 };
  for (const state of ['DELETING', 'DELETED']) {
    await add(hook('well'), `digits ${state}`, retry, 'digits');
    await add(hook('well'), `iris ${state}`, retry, 'iris');
  }
  await add('http://well.example/other', 'digits DELETED', retry, 'digits');
  const deliveries = openDeliveries();
  await tell();
  const others = [`${hook('well')} iris DELETING`, 'http://well.example/other digits DELETED', `${hook('well')} iris DELETED`];
  assert.deepEqual(delivered.toSorted(), others.toSorted());
  clock.advance(5000);
  await settle();
  assert.equal(begun.filter((each) => each.endsWith('digits DELETING')).length, 2);
  assert.equal(delivered.at(-1), `${hook('well')} digits DELETED`);
  await end(deliveries);
});

test('never reorders deliveries of an object to a target, and never loses one, whatever fails', async (t) => {
  const reported = fc.record({
    target: fc.constantFrom(hook('a'), hook('b'), 'http://b.example/other'),
    about: fc.constantFrom('digits', 'iris', 'wine'),
    /** Failures before it arrives; `never`: it cannot arrive. */
    fails: fc.oneof(fc.nat(4), fc.constant('never' as const)),
    waitMs: fc.constantFrom(0, 0, 0, 1, 700, 6000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(reported, { minLength: 1, maxLength: 14 }), async (events) => {
      const { clock, jobs, begun, delivered, scene, openDeliveries, settle, add, tell, end } = await fixture(t);
      const tries = new Map<string, number>();
      scene.refusal = (_arn, body) => {
        const { fails } = events[Number(body)] as (typeof events)[number];
        const before = tries.get(body) ?? 0;
        tries.set(body, before + 1);
        if (fails === 'never') return new PlatformError('invalid_request', 'it is not called');
        return before < fails ? new PlatformError('unavailable', 'it answered 503') : null;
      };
      const deliveries = openDeliveries();
      for (const [i, { target, about, waitMs }] of events.entries()) {
        await add(target, String(i), undefined, about);
        announceDeliveries(jobs);
        clock.advance(waitMs);
      }
      await tell();
      // Enough time for all attempts, even if all deliveries are about one object and run one after the other.
      for (let i = 0; i < 200 && (await jobs.state(deliveriesQueue)).backlog > 0; i++) {
        clock.advance(120_000);
        await settle();
      }
      const arriving = events.flatMap(({ target, fails }, i) => (fails === 'never' ? [] : [`${target} ${i}`]));
      assert.deepEqual(delivered.toSorted(), arriving.toSorted());
      const keyOf = (each: string): string => `${each.split(' ')[0]} ${events[Number(each.split(' ')[1])]?.about}`;
      for (const [key, tried] of Map.groupBy(begun, keyOf)) {
        const order = tried.map((each) => Number(each.split(' ')[1]));
        assert.deepEqual(
          order,
          order.toSorted((x, y) => x - y),
          `to ${key}`,
        );
      }
      await end(deliveries);
    }),
    { numRuns: 25 },
  );
});

test('repeats deliveries that were running at a kill once their lease ends', async (t) => {
  const { clock, jobs, delivered, openDeliveries, settle, add, end } = await fixture(t);
  await add(hook('well'), 'a');
  await jobs.leaseByPartition(deliveriesQueue, 1, 60_000, { perPartition: 2, capacity: new Map() });
  const deliveries = openDeliveries();
  await settle();
  assert.deepEqual(delivered, []);
  clock.advance(60_000);
  await settle();
  assert.deepEqual(delivered, [`${hook('well')} a`]);
  await end(deliveries);
});

test('retries a failure with growing delays, and gives up permanent errors at once', async (t) => {
  const { clock, jobs, delivered, failures, scene, openDeliveries, settle, add, tell, end } = await fixture(t);
  const deliveries = openDeliveries();
  scene.refusal = () => new PlatformError('unavailable', 'it answered 503');
  await add(hook('ill'), 'a');
  await tell();
  assert.equal((await jobs.state(deliveriesQueue)).backlog, 1);
  scene.refusal = () => null;
  clock.advance(5000);
  await settle();
  assert.deepEqual(delivered, [`${hook('ill')} a`]);
  scene.refusal = () => new PlatformError('invalid_request', 'it is not called');
  await add(hook('ill'), 'b');
  await tell();
  assert.deepEqual(await jobs.state(deliveriesQueue), { backlog: 0, leased: 0, dead: 1, oldestAtMs: null });
  assert.match(failures[0] ?? '', /given up.*it is not called/);
  await end(deliveries);
});

test('reports the result once a delivery has arrived or was given up, also across a restart', async (t) => {
  const { clock, ended, scene, openDeliveries, settle, addAction, tell, end } = await fixture(t);
  const before = openDeliveries();
  scene.refusal = () => new PlatformError('unavailable', 'connect ECONNREFUSED');
  await addAction(hook('ill'), 'a');
  await tell();
  assert.deepEqual(ended, []);
  await end(before);
  scene.refusal = () => null;
  const again = openDeliveries();
  clock.advance(5000);
  await settle();
  assert.deepEqual(ended, ['slow arn:topic a: null']);
  scene.refusal = () => new PlatformError('unavailable', 'connect ECONNREFUSED');
  await addAction(hook('dead'), 'b');
  await tell();
  for (let hour = 0; hour < 24; hour++) {
    clock.advance(3_600_000);
    await settle();
  }
  scene.refusal = () => new PlatformError('invalid_request', 'it is not called');
  await addAction(hook('refused'), 'c');
  await tell();
  assert.deepEqual(ended.slice(1), ['slow arn:topic b: connect ECONNREFUSED', 'slow arn:topic c: it is not called']);
  await end(again);
});

test('reports a result that could not be stored with the next attempt', async (t) => {
  const { clock, delivered, ended, scene, openDeliveries, settle, addAction, tell, end } = await fixture(t);
  const deliveries = openDeliveries();
  scene.isFull = true;
  await addAction(hook('well'), 'a');
  await tell();
  assert.deepEqual([delivered.length, ended], [1, []]);
  scene.isFull = false;
  clock.advance(60_000);
  await settle();
  assert.deepEqual([delivered.length, ended], [2, ['slow arn:topic a: null']]);
  await end(deliveries);
});

test('a target can limit its retries', async (t) => {
  const { clock, jobs, begun, failures, scene, openDeliveries, settle, add, tell, end } = await fixture(t);
  const deliveries = openDeliveries();
  scene.refusal = () => new PlatformError('unavailable', 'it answered 503');
  await add(hook('ill'), 'a', { retriesMax: 1, ageSMax: 86_400 });
  await tell();
  clock.advance(5000);
  await settle();
  assert.equal(begun.length, 2);
  assert.equal((await jobs.state(deliveriesQueue)).dead, 1);
  assert.match(failures[0] ?? '', /given up.*503/);
  await end(deliveries);
});

test('deletes abandoned deliveries after two weeks, and reports the number', async (t) => {
  const { clock, jobs, forgotten, scene, openDeliveries, settle, add, tell, end } = await fixture(t);
  const deliveries = openDeliveries();
  scene.refusal = () => new PlatformError('invalid_request', 'it is not called');
  await add(hook('ill'), 'a');
  await tell();
  clock.advance(14 * 86_400_000 - 1000);
  await settle();
  assert.equal((await jobs.state(deliveriesQueue)).dead, 1);
  clock.advance(3_600_000);
  await settle();
  assert.equal((await jobs.state(deliveriesQueue)).dead, 0);
  assert.deepEqual(forgotten, [1]);
  assert.deepEqual(deliveries.counts, { delivered: 0, failed: 0, given_up: 1, forgotten: 1 });
  await end(deliveries);
});

test('URLs of one server are one origin, and an ARN is its own', () => {
  assert.equal(originOf('https://Example.org:443/a?b'), originOf('https://example.org/c'));
  assert.notEqual(originOf('http://127.0.0.1:9000/'), originOf('http://127.0.0.1:9001/'));
  assert.equal(originOf('arn:aws:logs:us-east-1:0:log-group:/a'), 'arn:aws:logs:us-east-1:0:log-group:/a');
});
