import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { openPglite } from '../../../test/pglite.ts';
import { VirtualClock } from '../../clock.ts';
import { type ActionEntry, Audit, withOrigin } from '../../records/index.ts';
import { cloudtrailService } from './cloudtrail-service.ts';

interface Call {
  readonly who: string;
  /** Null for calls to another API. */
  readonly operation: string | null;
  readonly actions: readonly Pick<ActionEntry, 'action' | 'target' | 'detail'>[];
}

const who = fc.constantFrom('AKIA', 'AKIB');
const name = fc.constantFrom('a', 'b', 'c');
const registered = (target: string) => ({ action: 'RegisterModelVersion', target, detail: { sourceName: `${target}.onnx` } }) as const;
const approved = (target: string) => ({ action: 'SetApproval', target, detail: { to: 'Approved' } }) as const;
const calls: fc.Arbitrary<Call> = fc.oneof(
  fc.record({ who, name }).map(({ who: by, name: at }) => ({ who: by, operation: null, actions: [approved(`${at}/1`)] })),
  fc.record({ who, name }).map(({ who: by, name: at }) => {
    const actions = [registered(`aside-${at}/1`), { action: 'CreateModel', target: at, detail: { image: 'onnx' } } as const];
    return { who: by, operation: 'CreateModel', actions };
  }),
  fc.record({ who, name }).map(({ who: by, name: at }) => {
    return { who: by, operation: 'CreateModelPackage', actions: [registered(`${at}/1`), approved(`${at}/1`)] };
  }),
  fc.record({ who, name }).map(({ who: by, name: at }) => {
    const described = { action: 'UpdateModelVersion', target: `${at}/1`, detail: { metadata: { owner: by } } } as const;
    return { who: by, operation: 'UpdateModelPackage', actions: [approved(`${at}/1`), described, described] };
  }),
);
/** The interleaving of the calls: which call acts next, and after what delay. */
const turns = fc.array(fc.record({ callIndex: fc.nat(), afterMs: fc.constantFrom(0, 0, 1, 1500) }), { minLength: 24, maxLength: 24 });

async function happen(audit: Audit, db: Parameters<Audit['record']>[0], clock: VirtualClock, all: readonly Call[], order: Turn[]) {
  let open = all.map(({ operation, who: by, actions }, i) => {
    const from = { protocol: operation === null ? 'api' : 'aws', remoteAddress: '', userAgent: '', requestId: `r${i}` };
    const within = withOrigin(operation === null ? from : { ...from, operation }, () => AsyncLocalStorage.snapshot());
    return { within, by, pending: [...actions] };
  });
  for (const { callIndex, afterMs } of order) {
    open = open.filter(({ pending }) => pending.length > 0);
    const turn = open[callIndex % open.length];
    const action = turn?.pending.shift();
    if (turn === undefined || action === undefined) break;
    clock.advance(afterMs);
    await turn.within(() => audit.record(db, { who: turn.by, outcome: 'ok', ...action }));
  }
}

type Turn = { readonly callIndex: number; readonly afterMs: number };
type LookUp = (input: object, place: object) => Promise<{ readonly Events: Looked[]; readonly NextToken?: string }>;

interface Looked {
  readonly EventId: string;
  readonly EventName: string;
  readonly EventSource: string;
  readonly EventTime: Date;
  readonly ReadOnly: string;
  readonly Username: string;
  readonly AccessKeyId: string;
  readonly CloudTrailEvent: string;
  readonly Resources: readonly { readonly ResourceType?: string; readonly ResourceName: string }[];
}

async function allPages(lookUp: LookUp, input: object, MaxResults: number): Promise<Looked[]> {
  const found: Looked[] = [];
  let NextToken: string | undefined;
  do {
    const page = await lookUp({ ...input, MaxResults, NextToken }, { account: '000000000000', region: 'us-east-1' });
    assert.ok(page.Events.length <= MaxResults);
    found.push(...page.Events);
    NextToken = page.NextToken;
  } while (NextToken !== undefined && found.length < 1000);
  return found;
}

const attributes: Readonly<Record<string, (event: Looked) => readonly (string | undefined)[]>> = {
  EventId: ({ EventId }) => [EventId],
  EventName: ({ EventName }) => [EventName],
  ReadOnly: ({ ReadOnly }) => [ReadOnly],
  Username: ({ Username }) => [Username],
  AccessKeyId: ({ AccessKeyId }) => [AccessKeyId],
  EventSource: ({ EventSource }) => [EventSource],
  ResourceName: ({ Resources }) => Resources.map(({ ResourceName }) => ResourceName),
  ResourceType: ({ Resources }) => Resources.map(({ ResourceType }) => ResourceType),
};

const parametersOf = ({ CloudTrailEvent }: Looked): unknown =>
  (JSON.parse(CloudTrailEvent) as { requestParameters: unknown }).requestParameters;
const requestOf = ({ CloudTrailEvent }: Looked): string => (JSON.parse(CloudTrailEvent) as { requestID: string }).requestID;

/** The event has the name of the call and all of its resources and details. */
function assertWhole(event: Looked, call: Call): void {
  const names = { RegisterModelVersion: 'CreateModelPackage', SetApproval: 'UpdateModelPackage' } as Readonly<Record<string, string>>;
  assert.equal(event.EventName, call.operation ?? names[call.actions[0]?.action ?? '']);
  assert.deepEqual(parametersOf(event), Object.assign({}, ...call.actions.map(({ detail }) => detail)));
  assert.deepEqual(new Set(event.Resources.map(({ ResourceName }) => ResourceName)), new Set(call.actions.map(({ target }) => target)));
}

for (const [kind, open, numRuns] of [
  ['SQLite', openMemoryDatabase, 40],
  ['PGlite', openPglite, 2],
] as const) {
  describe(`calls looked up on ${kind}`, () => {
    test('are one event each, identical in every lookup, however they were interleaved', async (t) => {
      const { db, close } = await open();
      t.after(close);
      const law = fc.asyncProperty(fc.array(calls, { maxLength: 8 }), turns, fc.integer({ min: 1, max: 4 }), async (all, order, size) => {
        await db.deleteFrom('audit').execute();
        const clock = new VirtualClock();
        const audit = new Audit(db, clock);
        await happen(audit, db, clock, all, order);
        const lookUp = cloudtrailService({ audit }).operations.LookupEvents?.run as unknown as LookUp;

        const events = await allPages(lookUp, {}, 50);
        assert.deepEqual(events.map(requestOf).sort(), all.map((_, i) => `r${i}`).sort());
        assert.equal(new Set(events.map(({ EventId }) => EventId)).size, all.length);
        for (const event of events) assertWhole(event, all[Number(requestOf(event).slice(1))] as Call);
        assert.deepEqual(await allPages(lookUp, {}, size), events);

        for (const [key, of] of Object.entries(attributes)) {
          for (const value of new Set(events.flatMap(of))) {
            if (value === undefined) continue;
            const LookupAttributes = [{ AttributeKey: key, AttributeValue: value }];
            const expected = events.filter((event) => of(event).includes(value));
            assert.deepEqual(await allPages(lookUp, { LookupAttributes }, size), expected, `${key}=${value}`);
          }
        }
        for (const { EventTime } of events) {
          const ms = EventTime.getTime();
          const since = events.filter((event) => event.EventTime >= EventTime);
          const until = events.filter((event) => event.EventTime <= EventTime);
          assert.deepEqual(await allPages(lookUp, { StartTime: ms }, size), since);
          assert.deepEqual(await allPages(lookUp, { EndTime: ms }, size), until);
        }
      });
      await fc.assert(law, { numRuns });
    });
  });
}
