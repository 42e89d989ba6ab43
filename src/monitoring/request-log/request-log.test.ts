import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { RequestLine } from './request-line.ts';
import { RequestLog, type RequestLogOptions } from './request-log.ts';

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-request-log-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

function open(
  name: string,
  options: Partial<RequestLogOptions> = {},
): { log: RequestLog; clock: VirtualClock; troubles: string[]; path: string } {
  const [clock, troubles, path] = [new VirtualClock(), [] as string[], join(directory, name)];
  const onTrouble = (error: unknown): void => void troubles.push(messageOf(error));
  return { log: new RequestLog({ path, clock, fileBytesMax: 64 * 1024 * 1024, files: 3, onTrouble, ...options }), clock, troubles, path };
}

const lineOf = (i: number): RequestLine => ({
  atMs: 1_795_700_000_000 + i,
  requestId: `r-${i}`,
  endpoint: `digits-${i % 3}`,
  variant: 'AllTraffic',
  version: '1',
  status: i % 7 === 0 ? 'overloaded' : 'ok',
  rows: 1,
  batchRows: 8,
  batchRequests: 8,
  rowsAhead: 3,
  batchWaitMs: 0,
  closeReason: 'idle',
  executor: 'instance:local.1',
  queueMs: 0.35,
  computeMs: 1.2,
  encodeMs: 0.03,
  totalMs: 1.6,
  costUsd: 1.25e-9,
});

const idsIn = async (path: string): Promise<string[]> =>
  (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { request?: string; message?: string }).request ?? '(gap)');

test('every line is in the file once it was flushed, in order, the unusual ones among the usual', async () => {
  const { log, path } = open('order.log');
  for (let i = 0; i < 1000; i++) log.add(lineOf(i));
  await log.flush();
  assert.deepEqual(
    await idsIn(path),
    Array.from({ length: 1000 }, (_, i) => `r-${i}`),
  );
  for (let i = 1000; i < 1003; i++) log.add(lineOf(i));
  await log.close();
  assert.equal((await idsIn(path)).length, 1003);
  assert.equal(log.dropped, 0);
});

test('few lines go to the thread by themselves after a moment', async () => {
  const { log, clock, path } = open('few.log');
  log.add(lineOf(1));
  clock.advance(100);
  await log.flush(); // whatever was handed over comes before
  assert.deepEqual(await idsIn(path), ['r-1']);
  await log.close();
});

test('where the thread does not follow, lines are dropped rather than memory taken, and the server can stop', async () => {
  const deaf = new URL(
    `data:text/javascript,${encodeURIComponent("import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => {});")}`,
  );
  const { log, clock, troubles } = open('deaf.log', { threadUrl: deaf });
  for (let i = 0; i < 50_000; i++) log.add(lineOf(i));
  assert(log.dropped > 10_000, `only ${log.dropped} were dropped`);
  assert(log.dropped < 20_000, `${log.dropped} were dropped`);
  assert.deepEqual(troubles, []);
  const closed = log.close();
  clock.advance(5000);
  await closed; // nobody waits for it for ever
});

test('a thread that ends is told of once, its lines are counted as lost, and another one is started', async () => {
  const path = join(directory, 'dying-thread.mjs');
  await writeFile(path, "import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(3));");
  const { log, clock, troubles } = open('dying.log', { threadUrl: new URL(`file://${path}`) });
  for (let i = 0; i < 128; i++) log.add(lineOf(i));
  await log.flush(); // resolves though nobody answers
  assert.deepEqual(troubles, ['its thread ended with code 3']);
  assert.equal(log.dropped, 128);
  log.add(lineOf(128));
  clock.advance(100);
  assert.equal(log.dropped, 129, 'it is not started again at once');
  clock.advance(1000);
  log.add(lineOf(129));
  await log.flush();
  assert.equal(troubles.length, 2, 'but a second later');
  assert.equal(log.dropped, 130);
  await log.close();
});

test('what was lost is told in the file, too', async () => {
  const [dying, path] = [join(directory, 'once-thread.mjs'), join(directory, 'once.log')];
  const own = new URL('./request-log-thread.ts', import.meta.url).href;
  // Ends with its first order; the thread after it, in the same process, is the real one.
  await writeFile(
    dying,
    `import { existsSync, writeFileSync } from 'node:fs';
     import { parentPort } from 'node:worker_threads';
     const mark = ${JSON.stringify(join(directory, 'died'))};
     if (existsSync(mark)) await import(${JSON.stringify(own)});
     else parentPort.on('message', () => { writeFileSync(mark, ''); process.exit(3); });`,
  );
  const { log, clock } = open('once.log', { threadUrl: new URL(`file://${dying}`) });
  for (let i = 0; i < 128; i++) log.add(lineOf(i));
  await log.flush();
  clock.advance(1000);
  log.add(lineOf(128));
  await log.close();
  const [gap, line] = (await readFile(path, 'utf8')).trim().split('\n') as [string, string];
  assert.equal(JSON.parse(gap).message, '128 lines are missing here: they could not be written');
  assert.equal(JSON.parse(line).request, 'r-128');
  assert.equal(log.dropped, 128);
});

test('a process that has nothing else to do does not stay for the sake of its log', async () => {
  const script = `
    const { RequestLog } = await import(${JSON.stringify(new URL('./request-log.ts', import.meta.url).href)});
    const { SystemClock } = await import(${JSON.stringify(new URL('../../clock.ts', import.meta.url).href)});
    const log = new RequestLog({ path: ${JSON.stringify(join(directory, 'left.log'))}, clock: new SystemClock(), fileBytesMax: 1e6, files: 2, onTrouble: console.error });
    log.add(${JSON.stringify(lineOf(1))});
    await log.flush();
    log.add(${JSON.stringify(lineOf(2))});`;
  const path = join(directory, 'leaves.mjs');
  await writeFile(path, script);
  const { status, stderr } = spawnSync(process.execPath, [path], { timeout: 60_000, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.equal((await idsIn(join(directory, 'left.log')))[0], 'r-1');
});
