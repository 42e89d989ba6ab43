import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FunctionPoolFixture, FunctionPoolFixtureOptions } from '../../../test/function-pool-fixture.ts';
import { atFunction, hybridPoolFixture, names } from '../../../test/hybrid-pool-fixture.ts';
import { PlatformError } from '../../errors.ts';

describe('the overflow gate', () => {
  /** A single stalled instance, so all requests overflow. */
  function overflowing(options: FunctionPoolFixtureOptions = {}): FunctionPoolFixture {
    const fixture = hybridPoolFixture(options);
    fixture.instance('w1', () => 100_000);
    fixture.send('x');
    for (const id of names(6, 'q')) fixture.send(id, { timeoutMs: 1_000_000 });
    return fixture;
  }

  test('closes when the hourly budget is exhausted, says so, and opens an hour later', () => {
    const fixture = overflowing({ functions: { usdPerHourMax: 2e-5 }, overflow: { rescue: false } });
    for (const id of names(20)) {
      fixture.send(id);
      fixture.clock.advance(200);
    }
    const over = names(20).filter((id) => atFunction(fixture, id)).length;
    // Three earlier requests overflowed too; a call costs $3e-6.
    assert.equal(over, 4);
    assert.deepEqual(fixture.shuts, ['the overflow budget of $0.00002 per hour is exhausted: requests wait for instances']);
    assert.equal(fixture.pool.overflow?.shutReason, fixture.shuts[0]);
    fixture.pool.detach('w1');
    fixture.clock.advance(3_600_000);
    fixture.send('later');
    assert(atFunction(fixture, 'later'));
    assert.deepEqual(fixture.shuts.slice(1), [null]);
  });

  test('with late: shed, requests are rejected while it is shut', () => {
    const fixture = overflowing({ functions: { usdPerHourMax: 1e-9 }, settings: { late: 'shed' } });
    fixture.send('a');
    fixture.clock.advance(600);
    fixture.send('b');
    assert.equal(fixture.codeOf('b'), 'overloaded');
    assert.match(
      fixture.messageOf('b'),
      /budget of \$1e-9 per hour is exhausted: requests that instances cannot finish in time are rejected/,
    );
  });

  /** A single overloaded instance. */
  function overloaded(options: FunctionPoolFixtureOptions = {}): FunctionPoolFixture {
    const fixture = hybridPoolFixture(options);
    fixture.instance('w1');
    fixture.send('x', { rows: 3 });
    for (const id of names(4)) fixture.send(id);
    assert.equal(fixture.shuts.length, 0);
    return fixture;
  }
  const allowing = (fixture: FunctionPoolFixture, usd: number, forMs = 60_000): void =>
    fixture.pool.overflow?.follow({ warmFunctions: 0, sharedBudget: { usd, forMs, usdPerHourMax: 0.05 } });

  test('respects the functions’ share of a shared budget, and says until when', () => {
    const fixture = overloaded();
    allowing(fixture, 0);
    fixture.send('waits');
    assert.equal(fixture.workerOf('waits'), undefined);
    assert.equal(
      fixture.shuts[0],
      'the budget of $0.05 for this hour leaves nothing for functions until 00:01 UTC: requests wait for instances',
    );
    assert.equal(fixture.pool.overflow?.shutReason, fixture.shuts[0]);
    fixture.clock.advance(59_000);
    assert.equal(fixture.codeOf('waits'), 'ok');
    fixture.clock.advance(1000); // the next hour, before its plan
    fixture.send('y', { rows: 3 });
    for (const id of names(4, 'n')) fixture.send(id);
    assert(atFunction(fixture, 'n3'));
    assert.deepEqual(fixture.shuts.slice(1), [null]);
  });

  test('allows no more than the shared budget; a tiny remainder does not reopen it', () => {
    const fixture = overloaded();
    allowing(fixture, 1e-9);
    fixture.send('last');
    assert(atFunction(fixture, 'last'), 'some budget is left');
    fixture.clock.advance(300);
    fixture.send('y', { rows: 3 });
    for (const id of names(6, 'n')) fixture.send(id);
    assert.equal(fixture.workerOf('n5'), undefined);
    allowing(fixture, 1e-5);
    fixture.send('z');
    assert.equal(fixture.workerOf('z'), undefined);
    allowing(fixture, 5e-4);
    fixture.send('again');
    assert(atFunction(fixture, 'again'));
    fixture.pool.overflow?.follow({ warmFunctions: 0, sharedBudget: null });
    assert.equal(fixture.pool.overflow?.shutReason, null);
  });

  test('with late: shed rejects requests that would be late because of the budget', () => {
    const fixture = overloaded({ settings: { late: 'shed' } });
    allowing(fixture, 0);
    for (const id of names(3, 'n')) fixture.send(id);
    assert.equal(fixture.codeOf('n2'), 'overloaded');
    assert.match(fixture.messageOf('n2'), /leaves nothing for functions until 00:01 UTC/);
  });

  test('closes for ten seconds if more than half of 20 calls failed', () => {
    const fixture = hybridPoolFixture();
    fixture.answer = () => ({ kind: 'failed', error: new PlatformError('model_failed', 'no') });
    for (const id of names(20)) {
      fixture.send(id);
      fixture.clock.advance(100);
    }
    assert(names(20).every((id) => atFunction(fixture, id)));
    fixture.send('waits');
    assert.match(fixture.shuts[0] ?? '', /paused for 10 s because most of their recent calls failed/);
    assert.equal(fixture.workerOf('waits'), undefined);
    fixture.clock.advance(10_000);
    fixture.send('again');
    assert(atFunction(fixture, 'again'));
    assert.equal(fixture.shuts[1], null);
  });
});
