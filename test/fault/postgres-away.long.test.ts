/**
 * PostgreSQL restarts, ends sessions, hangs and rejects connections under load: inference continues, and no acknowledged change is lost.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { Server, temporaryDirectory } from '../end-to-end/server.ts';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../postgres-server.ts';
import { TcpProxy } from '../tcp-proxy.ts';
import { randomOf } from './journal.ts';
import { Workload } from './workload.ts';

/** `PENSTOCK_SOAK=1` uses outages of realistic length. */
const isSoak = process.env.PENSTOCK_SOAK === '1';
const hangMs = isSoak ? 15_000 : 6500;
const refusedMs = isSoak ? 60_000 : 2000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a server whose PostgreSQL becomes unavailable', { skip: whyNoPostgres(), timeout: 280_000 }, () => {
  const folder = temporaryDirectory();
  let postgres: PostgresServer;
  let proxy: TcpProxy;
  let server: Server;
  let url: string;
  before(async () => {
    postgres = await startPostgres(mkdtempSync(join(tmpdir(), 'penstock-away-')));
    proxy = await TcpProxy.start(postgres.port);
    url = proxy.urlOf(await postgres.createDatabase('penstock'));
    server = await Server.start({ flags: ['--database-url', url] });
  });
  after(async () => {
    await server?.end();
    proxy?.close();
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('recovers from each fault, under inference, asynchronous requests and changes through every API', async (t) => {
    const workload = await Workload.start({ server: () => server, random: randomOf(1), folder });
    const faults: Record<string, () => Promise<void>> = {
      'a fast restart': async () => {
        await postgres.shutDown('fast');
        await pause(500);
        await postgres.start();
      },
      'a crash': async () => {
        await postgres.shutDown('immediate');
        await pause(500);
        await postgres.start();
      },
      'the end of all sessions': () => postgres.terminateSessions(),
      'a hanging database': async () => {
        await postgres.freeze();
        await pause(hangMs);
        postgres.thaw();
      },
      'rejected connections': async () => {
        proxy.refuse();
        await pause(refusedMs);
        await proxy.accept();
      },
    };
    await workload.more(100);
    for (const [name, bringAbout] of Object.entries(faults)) {
      const before = { ...workload.inferences };
      const fromMs = performance.now();
      await bringAbout();
      const awayMs = performance.now() - fromMs;
      await workload.more(30);
      t.diagnostic(
        `${name}: down ${Math.round(awayMs)} ms, working again after ${Math.round(performance.now() - fromMs - awayMs)} ms, ` +
          `${workload.inferences.answered - before.answered} inferences meanwhile`,
      );
      assert(!server.hasEnded, `${name} ended the server: ${server.stderr}`);
      assert(workload.inferences.answered > before.answered, name);
    }
    await workload.stop();
    assert.equal(workload.inferences.failed, 0);
    for (const [api, count] of Object.entries(workload.unavailable))
      assert(count > 0, `${api} received errors that the database is unavailable`);
    await until('the database is used again', async () => {
      const { body } = await server.call<{ notes: string[] }>('GET', '/status');
      return !body.notes.some((note) => note.includes('database'));
    });
    await workload.assertKept();
    const { acknowledged, unknown } = workload.journal;
    t.diagnostic(`${JSON.stringify({ ...workload.inferences, acknowledged, unknown, ...workload.unavailable })}`);
  });

  test('rejects a second server on its database', async () => {
    const second = await Server.start({ flags: ['--database-url', url] }).then(
      async (started) => {
        await started.end();
        return '';
      },
      (error: Error) => error.message,
    );
    assert.match(second, new RegExp(`in use by process ${server.pid} on \\S+ \\(data directory ${server.dataDir}`));
  });
});
