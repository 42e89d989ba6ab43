/** Service times as if they had been measured: which plans are chosen must not depend on how fast the machine of a test is. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Profile, ServicePoint } from '../../src/profiling/index.ts';

const batchMax = 64;
/**
 * Milliseconds per batch and per row. A more accurate model is slower, so each is a plan of its own, but not so much slower that a cascade
 * replaces it.
 */
const times: Readonly<Record<string, { readonly batchMs: number; readonly rowMs: number }>> = {
  'digits-logreg': { batchMs: 0.22, rowMs: 0.004 },
  'digits-mlp': { batchMs: 0.24, rowMs: 0.0045 },
  'digits-rf': { batchMs: 0.25, rowMs: 0.0047 },
  'digits-cnn': { batchMs: 0.26, rowMs: 0.005 },
};

/** Stores the profile of version 1 of each group on `local.1`. The server must not run. */
export function storeServiceTimes(dataDir: string, groups: readonly string[]): void {
  storeProfiles(dataDir, new Map(groups.map((group) => [group, profileOf(group)])));
}

/** Stores profiles of version 1 of groups, as if they had been measured. The server must not run. */
export function storeProfiles(dataDir: string, profiles: ReadonlyMap<string, Profile>): void {
  const db = new DatabaseSync(join(dataDir, 'state.db'));
  try {
    const put = db.prepare('insert or replace into profiles (group_key, version, executor, profile, measured_at) values (?, 1, ?, ?, ?)');
    for (const [group, profile] of profiles) {
      put.run(group, profile.executor, JSON.stringify(profile), profile.measuredAtMs);
    }
  } finally {
    db.close();
  }
}

/** SQL for PostgreSQL that stores the profile of version 1 of each group. The server must not run. */
export function serviceTimesSql(groups: readonly string[]): string {
  const rows = groups.map((group) => {
    const profile = profileOf(group);
    return `('${group}', 1, '${profile.executor}', '${JSON.stringify(profile)}', ${profile.measuredAtMs})`;
  });
  const conflict = 'on conflict (group_key, version, executor) do update set profile = excluded.profile';
  return `insert into profiles (group_key, version, executor, profile, measured_at) values ${rows.join(', ')} ${conflict}`;
}

function profileOf(group: string): Profile {
  const time = times[group];
  if (time === undefined) throw new Error(`expected one of ${Object.keys(times).join(', ')}, got ${group}`);
  return profileFrom([1, 8, batchMax], (b) => time.batchMs + b * time.rowMs);
}

/** The profile of runs that always take these times. `sizes` of batches ascend. */
export function profileFrom(sizes: readonly number[], msOf: (rows: number) => number): Profile {
  const service = sizes.map((b): ServicePoint => {
    const ms = msOf(b);
    return { b, p50Ms: ms, p95Ms: ms, p99Ms: ms, samples: new Array<number>(100).fill(ms), rssMiB: 100 };
  });
  return {
    executor: 'instance:local.1',
    service,
    measuredAtMs: Date.now(),
    loadMs: 50,
    coldMs: 100,
    threads: 1,
    vcpuMax: null,
    batchMax: sizes.at(-1) as number,
    notes: [],
  };
}
