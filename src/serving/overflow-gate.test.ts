import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FunctionHouse, FunctionHouseOptions } from '../../test/function-house.ts';
import { atFunction, names, overflowHouse } from '../../test/overflow-house.ts';
import { PlatformError } from '../errors.ts';

describe('the gate', () => {
  /** One instance that is held up, so that everybody overflows. */
  function overflowing(options: FunctionHouseOptions = {}): FunctionHouse {
    const house = overflowHouse(options);
    house.instance('w1', () => 100_000);
    house.send('x');
    for (const id of names(6, 'q')) house.send(id, { timeoutMs: 1_000_000 });
    return house;
  }

  test('shuts when the budget of the hour is spent, says so, and opens an hour later', () => {
    const house = overflowing({ functions: { usdPerHourMax: 2e-5 }, overflow: { rescue: false } });
    for (const id of names(20)) {
      house.send(id);
      house.clock.advance(200);
    }
    const over = names(20).filter((id) => atFunction(house, id)).length;
    // Three of those before them went over, too; a call costs 3e-6.
    assert.equal(over, 4);
    assert.deepEqual(house.shuts, ['the overflow budget of $0.00002 per hour is spent: requests wait for instances']);
    assert.equal(house.pool.overflow?.shutReason, house.shuts[0]);
    house.pool.detach('w1');
    house.clock.advance(3_600_000);
    house.send('later');
    assert(atFunction(house, 'later'));
    assert.deepEqual(house.shuts.slice(1), [null]);
  });

  test('refuses with late: shed', () => {
    const house = overflowing({ functions: { usdPerHourMax: 1e-9 }, settings: { late: 'shed' } });
    house.send('a');
    house.clock.advance(600);
    house.send('b');
    assert.equal(house.codeOf('b'), 'overloaded');
    assert.match(house.messageOf('b'), /budget of \$1e-9 per hour is spent: what instances cannot finish in time is refused/);
  });

  /** One instance with more than it can do. */
  function beset(options: FunctionHouseOptions = {}): FunctionHouse {
    const house = overflowHouse(options);
    house.instance('w1');
    house.send('x', { rows: 3 });
    for (const id of names(4)) house.send(id);
    assert.equal(house.shuts.length, 0);
    return house;
  }
  const allowing = (house: FunctionHouse, usd: number, forMs = 60_000): void =>
    house.pool.overflow?.follow({ warmFunctions: 0, allowance: { usd, forMs, usdPerHourMax: 0.05 } });

  test('keeps to what a budget for all leaves to functions, and says until when', () => {
    const house = beset();
    allowing(house, 0);
    house.send('waits');
    assert.equal(house.workerOf('waits'), undefined);
    assert.equal(
      house.shuts[0],
      'the budget of $0.05 for this hour leaves nothing for functions until 00:01 UTC: requests wait for instances',
    );
    assert.equal(house.pool.overflow?.shutReason, house.shuts[0]);
    house.clock.advance(59_000);
    assert.equal(house.codeOf('waits'), 'ok');
    house.clock.advance(1000); // the next hour, before anybody has planned it
    house.send('y', { rows: 3 });
    for (const id of names(4, 'n')) house.send(id);
    assert(atFunction(house, 'n3'));
    assert.deepEqual(house.shuts.slice(1), [null]);
  });

  test('spends an allowance and no more; a few cents after that are not worth opening again', () => {
    const house = beset();
    allowing(house, 1e-9);
    house.send('last');
    assert(atFunction(house, 'last'), 'something is left');
    house.clock.advance(300);
    house.send('y', { rows: 3 });
    for (const id of names(6, 'n')) house.send(id);
    assert.equal(house.workerOf('n5'), undefined);
    allowing(house, 1e-5);
    house.send('z');
    assert.equal(house.workerOf('z'), undefined);
    allowing(house, 5e-4);
    house.send('again');
    assert(atFunction(house, 'again'));
    house.pool.overflow?.follow({ warmFunctions: 0, allowance: null });
    assert.equal(house.pool.overflow?.shutReason, null);
  });

  test('with late: shed refuses who would be late for want of money', () => {
    const house = beset({ settings: { late: 'shed' } });
    allowing(house, 0);
    for (const id of names(3, 'n')) house.send(id);
    assert.equal(house.codeOf('n2'), 'overloaded');
    assert.match(house.messageOf('n2'), /leaves nothing for functions until 00:01 UTC/);
  });

  test('shuts for ten seconds when more than half of 20 calls failed', () => {
    const house = overflowHouse();
    house.answer = () => ({ kind: 'failed', error: new PlatformError('model_failed', 'no') });
    for (const id of names(20)) {
      house.send(id);
      house.clock.advance(100);
    }
    assert(names(20).every((id) => atFunction(house, id)));
    house.send('waits');
    assert.match(house.shuts[0] ?? '', /take nothing for 10 s, most of their last calls failed/);
    assert.equal(house.workerOf('waits'), undefined);
    house.clock.advance(10_000);
    house.send('again');
    assert(atFunction(house, 'again'));
    assert.equal(house.shuts[1], null);
  });
});
