import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { VirtualClock } from '../clock.ts';
import type { OpenDatabase } from '../storage/index.ts';
import { Audit, type AuditEntry, type AuditRecord } from './audit.ts';
import { withOrigin } from './origin.ts';
import { RejectionAudit } from './rejection-audit.ts';

let opened: OpenDatabase;
before(async () => {
  opened = await openMemoryDatabase();
});
after(async () => opened.close());

describe('rejected calls', () => {
  let clock: VirtualClock;
  let audit: Audit;
  let refusals: RejectionAudit;
  beforeEach(async () => {
    await opened.db.deleteFrom('audit').execute();
    await opened.db.updateTable('audit_head').set({ number: 0, hash: '' }).execute();
    clock = new VirtualClock();
    audit = new Audit(opened.db, clock);
    refusals = new RejectionAudit({ audit, clock, onFailure: (error) => assert.fail(String(error)) });
  });

  const refuse = (times: number, address = '192.0.2.1', entry: Partial<AuditEntry> = {}): Promise<void> =>
    withOrigin({ protocol: 'aws', remoteAddress: address, userAgent: 'x', requestId: 'r' }, async () => {
      const whole = { who: 'unknown', action: 'CreateEndpoint', target: '', outcome: 'unauthenticated', detail: null, ...entry };
      for (let i = 0; i < times; i++) await refusals.record(whole);
    });
  const reported = async (action: string): Promise<AuditRecord[]> => audit.list({ limit: 1000, action });

  test('are recorded individually with their origin', async () => {
    await refuse(3);
    const records = await reported('CreateEndpoint');
    assert.deepEqual([records.length, records[0]?.outcome, records[0]?.origin?.remoteAddress], [3, 'unauthenticated', '192.0.2.1']);
  });

  test('beyond the limit are summarized once a minute by caller, action and outcome', async () => {
    await refuse(500);
    await refuse(7, '192.0.2.1', { action: 'DeleteEndpoint' });
    await refuse(1, '192.0.2.2');
    assert.deepEqual([(await reported('CreateEndpoint')).length, (await reported('RejectedCalls')).length], [61, 0]);
    clock.advance(60_000);
    await refusals.close();
    const [record, ...more] = await reported('RejectedCalls');
    const from = '192.0.2.1';
    assert.deepEqual(more, []);
    assert.deepEqual([record?.who, record?.outcome, record?.origin], ['penstock', 'unauthenticated', null]);
    assert.deepEqual(record?.detail, {
      message: '447 more rejected calls are not recorded individually',
      count: 447,
      rejected: [
        { who: 'unknown', from, action: 'CreateEndpoint', outcome: 'unauthenticated', count: 440 },
        { who: 'unknown', from, action: 'DeleteEndpoint', outcome: 'unauthenticated', count: 7 },
      ],
      others: 0,
    });
    assert.equal((await audit.verify()).broken, null);
  });

  test('are recorded again, a few per minute, while a flood continues', async () => {
    await refuse(100);
    clock.advance(60_000);
    await refuse(100);
    assert.equal((await reported('CreateEndpoint')).length, 66);
  });

  test('from many addresses at once are limited together', async () => {
    for (let i = 0; i < 2000; i++) await refuse(1, `2001:db8::${i.toString(16)}`);
    assert.equal((await reported('CreateEndpoint')).length, 240);
    await refusals.close();
    const [{ detail } = { detail: null }] = await reported('RejectedCalls');
    const { count, rejected, others } = detail as { count: number; rejected: unknown[]; others: number };
    assert.deepEqual([count, rejected.length, others], [1760, 20, 1740]);
  });

  test('that cannot be recorded delay no caller', async () => {
    const failures: unknown[] = [];
    const recordRefused = async (): Promise<never> => {
      throw new Error('the disk is full');
    };
    refusals = new RejectionAudit({ audit: { recordRefused }, clock, onFailure: (error) => failures.push(error) });
    await refuse(2);
    assert.equal(failures.length, 2);
  });
});
