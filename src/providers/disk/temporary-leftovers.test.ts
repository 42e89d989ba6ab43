import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemClock } from '../../clock.ts';
import { openLogs } from '../../logs/index.ts';
import { clearTemporaryLeftovers } from './temporary-leftovers.ts';

const prefix = 'penstock-workers-';
const log = openLogs(null, 'silent').platform;

test('removes folders of killed servers, and retains those of running and starting ones and of other programs', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'penstock-leftovers-'));
  const sharedMemory = mkdtempSync(join(tmpdir(), 'penstock-shm-'));
  const folder = (name: string): string => {
    mkdirSync(join(parent, `${prefix}${name}`));
    return join(parent, `${prefix}${name}`);
  };
  const live = createServer().listen(join(folder('live'), 'socket'));
  await once(live, 'listening');
  const killServer = async (name: string): Promise<void> => {
    const script = `require('node:net').createServer().listen(${JSON.stringify(join(folder(name), 'socket'))}, () => console.log('up'))`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'close');
  };
  await killServer('killed');
  utimesSync(join(parent, `${prefix}killed`), 1, 1);
  await killServer('refusing'); // as a starting server does before it listens
  folder('starting');
  utimesSync(folder('abandoned'), 1, 1);
  mkdirSync(join(parent, 'another'));
  for (const name of ['penstock-1-old', 'penstock-1-young', 'other-1-old']) writeFileSync(join(sharedMemory, name), '');
  utimesSync(join(sharedMemory, 'penstock-1-old'), 1, 1);
  utimesSync(join(sharedMemory, 'other-1-old'), 1, 1);
  try {
    assert(existsSync(join(parent, `${prefix}killed`, 'socket')));
    await clearTemporaryLeftovers(prefix, new SystemClock(), log, { parents: [parent], sharedMemory });
    assert.deepEqual(readdirSync(parent).sort(), ['another', `${prefix}live`, `${prefix}refusing`, `${prefix}starting`]);
    assert.deepEqual(readdirSync(sharedMemory).sort(), ['other-1-old', 'penstock-1-young']);
  } finally {
    live.close();
    for (const path of [parent, sharedMemory]) rmSync(path, { recursive: true, force: true });
  }
});
