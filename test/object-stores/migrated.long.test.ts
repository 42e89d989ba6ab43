/** One machine's state moves to PostgreSQL, rows and objects, and on to another database. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { penstock, plainEnvironment, type Server, temporaryDirectory } from '../end-to-end/server.ts';
import { Servers } from '../end-to-end/servers.ts';

const run = promisify(execFile);
const folder = temporaryDirectory();
const servers = new Servers();
after(() => rmSync(folder, { recursive: true, force: true }));

const invoke = async (on: Server): Promise<unknown> => {
  const { status, body } = await on.call<{ predictions: unknown }>('POST', '/endpoints/digits/invoke', { instances: [Array(64).fill(3)] });
  assert.equal(status, 200);
  return body.predictions;
};

test('migrate moves a server that was stopped to PostgreSQL, where everything goes on under the same keys', {
  skip: servers.skip,
  timeout: 240_000,
}, async () => {
  const [one, two, three] = ['one', 'two', 'three'].map((name) => join(folder, name)) as [string, string, string];
  const [first, second] = [await servers.createDatabase('first'), await servers.createDatabase('second')];
  const migrate = (...argv: string[]) => run(penstock, ['migrate', ...argv], { env: plainEnvironment() });

  const before = await servers.start({ dataDir: one });
  await before.deploy('digits', 'digits_mlp');
  const answer = await invoke(before);
  await assert.rejects(
    migrate('--data-dir', one, '--to', first, 'postgres', '--into', two),
    /one is in use by process \d+ \(http.*\): stop that server, then migrate/,
  );
  await before.end();
  const { stdout } = await migrate('--data-dir', one, '--to', first, 'postgres', '--into', two);
  assert.match(
    stdout,
    /two: moved and verified 1 object \(.* start the server with penstock up --data-dir .*two --database-url postgres.*first --objects 'postgres'/,
  );
  await assert.rejects(migrate('--data-dir', one, '--to', first, '--into', three), /the database is not empty/);
  assert.deepEqual(readdirSync(folder).sort(), ['one', 'two'], 'a failed migration leaves nothing');

  const flags = ['--database-url', first, '--objects', 'postgres'];
  const moved = await servers.start({ dataDir: two, flags });
  assert.equal(moved.adminKey, before.adminKey);
  await moved.inService('digits');
  assert.deepEqual(await invoke(moved), answer);
  await moved.register('later', 'diabetes_rf');
  assert(!existsSync(join(two, 'objects')) && !existsSync(join(two, 'state.db')));
  const copy = join(folder, 'copy');
  cpSync(two, copy, { recursive: true, filter: (path) => !path.includes('lock') });
  const elsewhere = migrate('--data-dir', copy, '--database-url', first, '--to', second, '--into', three);
  await assert.rejects(elsewhere, /first is in use by process \d+ on .*two, since .*: stop that server, then migrate/);
  rmSync(copy, { recursive: true });
  await moved.end();

  await migrate('--data-dir', two, '--database-url', first, '--to', second, '--into', three);
  const { stdout: verified } = await run(penstock, ['verify', '--data-dir', three, '--database-url', second], { env: plainEnvironment() });
  assert.match(verified, /^[2-9] objects .* 0 damaged, 0 missing, 0 unreferenced/m);
  assert(existsSync(join(three, 'objects')));
  assert.equal(dirname(three), folder);
});
