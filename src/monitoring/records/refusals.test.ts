import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { type OpenDatabase, openDatabase } from '../../storage/index.ts';
import { Audit, type AuditEntry, type AuditRecord } from './audit.ts';
import { withOrigin } from './origin.ts';
import { Refusals } from './refusals.ts';

let opened: OpenDatabase;
before(async () => {
  opened = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
});
after(async () => opened.close());

describe('refused calls', () => {
  let clock: VirtualClock;
  let audit: Audit;
  let refusals: Refusals;
  beforeEach(async () => {
    await opened.db.deleteFrom('audit').execute();
    await opened.db.updateTable('audit_head').set({ number: 0, hash: '' }).execute();
    clock = new VirtualClock();
    audit = new Audit(opened.db, clock);
    refusals = new Refusals({ audit, clock, onFailure: (error) => assert.fail(String(error)) });
  });

  const refuse = (times: number, address = '192.0.2.1', entry: Partial<AuditEntry> = {}): Promise<void> =>
    withOrigin({ door: 'aws', remoteAddress: address, userAgent: 'x', requestId: 'r' }, async () => {
      const whole = { who: 'unknown', action: 'CreateEndpoint', target: '', outcome: 'unauthenticated', detail: null, ...entry };
      for (let i = 0; i < times; i++) await refusals.record(whole);
    });
  const told = async (action: string): Promise<AuditRecord[]> => audit.list({ limit: 1000, action });

  test('are recorded one by one, with where they came from', async () => {
    await refuse(3);
    const records = await told('CreateEndpoint');
    assert.deepEqual([records.length, records[0]?.outcome, records[0]?.origin?.remoteAddress], [3, 'unauthenticated', '192.0.2.1']);
  });

  test('that are a flood are counted, and told once a minute: how many, of whom and what', async () => {
    await refuse(500);
    await refuse(7, '192.0.2.1', { action: 'DeleteEndpoint' });
    await refuse(1, '192.0.2.2');
    assert.deepEqual([(await told('CreateEndpoint')).length, (await told('RefusedCalls')).length], [61, 0]);
    clock.advance(60_000);
    await refusals.close();
    const [record, ...more] = await told('RefusedCalls');
    const from = '192.0.2.1';
    assert.deepEqual(more, []);
    assert.deepEqual([record?.who, record?.outcome, record?.origin], ['penstock', 'unauthenticated', null]);
    assert.deepEqual(record?.detail, {
      message: '447 more calls were refused than are recorded one by one',
      count: 447,
      refused: [
        { who: 'unknown', from, action: 'CreateEndpoint', outcome: 'unauthenticated', count: 440 },
        { who: 'unknown', from, action: 'DeleteEndpoint', outcome: 'unauthenticated', count: 7 },
      ],
      others: 0,
    });
    assert.equal((await audit.verify()).broken, null);
  });

  test('are recorded again, a few each minute, while a flood goes on', async () => {
    await refuse(100);
    clock.advance(60_000);
    await refuse(100);
    assert.equal((await told('CreateEndpoint')).length, 66);
  });

  test('from everywhere at once are no more than one from everywhere can be', async () => {
    for (let i = 0; i < 2000; i++) await refuse(1, `2001:db8::${i.toString(16)}`);
    assert.equal((await told('CreateEndpoint')).length, 240);
    await refusals.close();
    const [{ detail } = { detail: null }] = await told('RefusedCalls');
    const { count, refused, others } = detail as { count: number; refused: unknown[]; others: number };
    assert.deepEqual([count, refused.length, others], [1760, 20, 1740]);
  });

  test('that cannot be recorded hold nobody up', async () => {
    const failures: unknown[] = [];
    const recordRefused = async (): Promise<never> => {
      throw new Error('the disk is full');
    };
    refusals = new Refusals({ audit: { recordRefused }, clock, onFailure: (error) => failures.push(error) });
    await refuse(2);
    assert.equal(failures.length, 2);
  });
});
