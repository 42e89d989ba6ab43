import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { ClusterFixture, isDeposed } from '../../test/cluster/cluster-fixture.ts';
import { type Call, type SequentialModel, whyNotLinearizable } from '../../test/cluster/linearizability.ts';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../../test/postgres-server.ts';
import { PlatformError } from '../errors.ts';
import { SeededRandom } from '../random.ts';
import type { Database } from '../storage/index.ts';
import type { NodeProcess } from './cluster-state.ts';
import { claimController, releaseController } from './controller-role.ts';
import { asController } from './fences.ts';
import { joinCluster, renewLease } from './node-leases.ts';

const hourMs = 3_600_000;

type Step =
  | { readonly kind: 'join'; readonly name: string }
  | { readonly kind: 'expire'; readonly name: string }
  | { readonly kind: 'renew' | 'claim'; readonly by: NodeProcess }
  | { readonly kind: 'release' | 'write'; readonly by: NodeProcess; readonly epoch: number };

/** An incarnation, an epoch, or what became of the step. */
type StepResult = number | 'done' | 'refused' | 'deposed';

interface Lease {
  readonly incarnation: number;
  readonly state: 'current' | 'expired' | 'dead';
}

interface Roles {
  readonly leases: Readonly<Record<string, Lease>>;
  readonly holder: NodeProcess | null;
  readonly epoch: number;
}

/** What each step does if it is alone. */
const model: SequentialModel<Roles, Step, StepResult> = {
  initial: { leases: {}, holder: null, epoch: 0 },
  keyOf: (value) => JSON.stringify(value),
  step: (state, input) => {
    if (input.kind === 'join') {
      const before = state.leases[input.name];
      if (before?.state === 'current') return { state, output: 'refused' };
      const incarnation = (before?.incarnation ?? 0) + 1;
      return { state: withLease(state, input.name, { incarnation, state: 'current' }), output: incarnation };
    }
    if (input.kind === 'expire') {
      const lease = state.leases[input.name];
      const changed = lease === undefined || lease.state === 'dead' ? state : withLease(state, input.name, { ...lease, state: 'expired' });
      return { state: changed, output: 'done' };
    }
    const { by } = input;
    const own = state.leases[by.name];
    const isAlive = own?.incarnation === by.incarnation && own.state !== 'dead';
    const isHolder = state.holder?.name === by.name && state.holder.incarnation === by.incarnation;
    if (input.kind === 'renew') {
      if (!isAlive) return { state, output: 'deposed' };
      return { state: withLease(state, by.name, { incarnation: by.incarnation, state: 'current' }), output: 'done' };
    }
    if (input.kind === 'write') return { state, output: isHolder && state.epoch === input.epoch ? 'done' : 'deposed' };
    if (input.kind === 'release') {
      return { state: isHolder && state.epoch === input.epoch ? { ...state, holder: null } : state, output: 'done' };
    }
    if (!isAlive || own.state === 'expired') return { state, output: 'deposed' };
    if (isHolder) return { state, output: state.epoch };
    const { holder } = state;
    const held = holder === null ? undefined : state.leases[holder.name];
    const isHeld = held?.incarnation === holder?.incarnation ? held : undefined;
    if (isHeld?.state === 'current') return { state, output: 'refused' };
    const epoch = state.epoch + 1;
    const taken = { ...state, holder: by, epoch };
    const isBuried = holder !== null && isHeld?.state === 'expired';
    return { state: isBuried ? withLease(taken, holder.name, { ...isHeld, state: 'dead' }) : taken, output: epoch };
  },
};

function withLease(state: Roles, name: string, lease: Lease): Roles {
  return { ...state, leases: Object.fromEntries(Object.entries({ ...state.leases, [name]: lease }).sort(([a], [b]) => (a < b ? -1 : 1))) };
}

describe('the role of the controller', { skip: whyNoPostgres() }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-claims-')));
  });
  after(async () => server?.stop());

  test('goes from one of many claimants to the next as if their calls came one by one', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    await cluster.psql('create table writes (seq bigserial, name text, incarnation bigint, epoch bigint)');
    const pools = [await cluster.open(), await cluster.open(), await cluster.open()];
    const history: Call<Step, StepResult>[] = [];
    let time = 0;
    const call = async (db: Database, input: Step): Promise<StepResult> => {
      const beganAt = time++;
      const output = await perform(db, input);
      history.push({ input, output, beganAt, endedAt: time++ });
      return output;
    };
    const names = Array.from({ length: 10 }, (_, i) => `n${i}`);
    const claimant = async (name: string, db: Database, random: SeededRandom): Promise<void> => {
      let by: NodeProcess | null = null;
      let epoch: number | null = null;
      for (let steps = 0; steps < 60; steps++) {
        if (by === null) {
          const incarnation = await call(db, { kind: 'join', name });
          if (typeof incarnation === 'number') by = { name, incarnation };
          else await call(db, { kind: 'expire', name });
          continue;
        }
        const chance: number = random.next();
        if (chance < 0.12) await call(db, { kind: 'expire', name: names[Math.floor(random.next() * names.length)] ?? name });
        else if (chance < 0.3) by = (await call(db, { kind: 'renew', by })) === 'deposed' ? null : by;
        else if (epoch === null || chance < 0.55) {
          const result: StepResult = await call(db, { kind: 'claim', by });
          if (typeof result === 'number') epoch = result;
          else if (result === 'deposed') by = null;
        } else if (chance < 0.65) await call(db, { kind: 'release', by, epoch });
        else await call(db, { kind: 'write', by, epoch });
      }
    };
    await Promise.all(names.map((name, i) => claimant(name, pools[i % pools.length] as Database, new SeededRandom(i + 1))));

    assert.equal(whyNotLinearizable(history, model), null);
    const count = (kind: Step['kind'], output?: StepResult): number =>
      history.filter((each) => each.input.kind === kind && (output === undefined || each.output === output)).length;
    const terms = history.filter(({ input, output }) => input.kind === 'claim' && typeof output === 'number');
    // How many of each there are depends on how the claimants take turns.
    assert(terms.length > 5 && count('write', 'done') > 0 && count('write', 'deposed') > 0, 'the history shows what it must');
    // The rows agree: each epoch has one writer, and no writer follows one of a later epoch.
    assert.equal(
      await cluster.psql('select count(*) from (select epoch from writes group by epoch having count(distinct name) > 1) as w'),
      '0',
    );
    assert.equal(await cluster.psql('select count(*) from writes a join writes b on a.seq < b.seq and a.epoch > b.epoch'), '0');
    assert.equal(Number(await cluster.psql('select count(*) from writes')), count('write', 'done'));
  });
});

async function perform(db: Database, input: Step): Promise<StepResult> {
  const deposed = (error: unknown): 'deposed' => {
    if (isDeposed(error)) return 'deposed';
    throw error;
  };
  switch (input.kind) {
    case 'join': {
      const description = { name: input.name, version: '0' };
      return joinCluster(db, description, hourMs).then(
        ({ incarnation }) => incarnation,
        (error: unknown) => {
          if (error instanceof PlatformError && error.code === 'wrong_state') return 'refused' as const;
          throw error;
        },
      );
    }
    case 'expire':
      await db.updateTable('cluster_nodes').set({ expires_at: 0 }).where('name', '=', input.name).execute();
      return 'done';
    case 'renew':
      return (await renewLease(db, input.by, hourMs)) === null ? 'deposed' : 'done';
    case 'claim':
      return claimController(db, input.by).then((term) => term?.epoch ?? 'refused', deposed);
    case 'release':
      await releaseController(db, { holder: input.by, epoch: input.epoch });
      return 'done';
    case 'write': {
      const { by, epoch } = input;
      const insert = sql`insert into writes (name, incarnation, epoch) values (${by.name}, ${by.incarnation}, ${epoch})`;
      return asController(db, { holder: by, epoch }, async (tx) => insert.execute(tx)).then(() => 'done' as const, deposed);
    }
  }
}
