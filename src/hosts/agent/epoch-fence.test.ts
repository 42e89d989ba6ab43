import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { LinkedCluster } from '../../../test/authority-fixture.ts';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../../../test/postgres-server.ts';
import { SystemClock } from '../../clock.ts';
import { HostIdentity } from '../../links/index.ts';
import { SeededRandom } from '../../random.ts';
import { EpochFence } from './epoch-fence.ts';

describe('the newest epoch that a host has seen', { skip: whyNoPostgres() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-epoch-'));
  const path = join(folder, 'epoch');
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-epoch-postgres-')));
  });
  after(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const start = async (token: string | null): Promise<EpochFence> => {
    const identity = await HostIdentity.open({
      clock: new SystemClock(),
      random: new SeededRandom(1),
      file: join(folder, 'membership.json'),
      name: 'h1',
      token,
      signal: AbortSignal.timeout(20_000),
      onJoined: () => EpochFence.reset(path),
      onFailure: assert.ifError,
    });
    await identity.close();
    return EpochFence.open(path);
  };

  test('outlives restarts, and begins again in a cluster that was restored, which the host joins again', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const token = await cluster.token((await cluster.node('a')).links);
    (await start(token)).check(3);
    for (const restarted of [await start(token), await start(null)]) {
      assert.throws(() => restarted.check(2), {
        code: 'wrong_state',
        message: /seen epoch 3\. If the database was restored, .* new join token/,
      });
    }
    const restored = await LinkedCluster.create(t, server);
    const fence = await start(await restored.token((await restored.node('a')).links));
    fence.check(1);
    assert.equal(fence.newest, 1);
  });
});
