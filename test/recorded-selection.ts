/** A stored endpoint with the decision that chose its plans, in a database of its own. */
import type { TestContext } from 'node:test';
import type { Clock } from '../src/clock.ts';
import { Decisions, Events } from '../src/records/index.ts';
import type { Database } from '../src/storage/index.ts';
import { openMemoryDatabase } from './empty-database.ts';

/** A row for tables that refer to endpoints. */
export async function insertEndpoint(db: Database, name: string): Promise<void> {
  const row = { config: '{}', generation: 1, desired: 'InService' as const, created_at: 1, updated_at: 1 };
  await db
    .insertInto('endpoints')
    .values({ name_key: name.toLowerCase(), name, ...row })
    .execute();
}

type DecisionFacts = Pick<Parameters<Decisions['record']>[0], 'chosen'> & Partial<Parameters<Decisions['record']>[0]>;

/** Of the endpoint `digits`. */
export async function openRecordedSelection(t: TestContext, clock: Clock, facts: DecisionFacts) {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  await insertEndpoint(db, 'digits');
  const events = new Events(db, clock);
  const decisions = new Decisions(db, clock, events);
  await decisions.record({
    kind: 'selection',
    endpoint: 'digits',
    variant: 'AllTraffic',
    trigger: 'deploy',
    inputs: {},
    alternatives: [],
    reason: 'cheapest-certified',
    explanation: '',
    changes: true,
    ...facts,
  });
  return { db, events, decisions };
}
