/** Workers that start a Python process: their contract, and what remains after they end. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { artifactAt, pathAsAddress } from '../../../test/model-artifacts.ts';
import { processesWith, scorerBundle, scorerCommand, scorerPaths, skip } from '../../../test/processes/index.ts';
import { SystemClock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import {
  type InvokeResult,
  type PayloadHeaders,
  type ReplyHead,
  type ReplySink,
  type WorkerLink,
  WorkerLost,
} from '../../runtime/index.ts';
import { LocalProvider, type WorkerSpec, type WorkerView } from '../index.ts';

const root = mkdtempSync('/tmp/penstock-test-');
after(() => rmSync(root, { recursive: true }));
const bundle = join(root, 'scorer.tar');
writeFileSync(bundle, await scorerBundle());

const printed: string[] = [];
const received = (_fields: unknown, line?: string): void => {
  if (line !== undefined) printed.push(line);
};
const log = { debug: () => undefined, info: received, warn: received, error: received, child: () => log } satisfies Log as Log;

let count = 0;
let nonce = '';
let state = '';
let provider: LocalProvider;

async function open(): Promise<void> {
  provider = new LocalProvider({ clock: new SystemClock(), log, stateDirectory: state, warmWorkers: 0, fetchFile: pathAsAddress });
  await provider.open();
}

beforeEach(async () => {
  nonce = `${process.pid}-${count++}`;
  state = mkdtempSync(join(root, 'state-'));
  printed.length = 0;
  await open();
});
afterEach(async () => {
  await provider.close();
  assert.deepEqual(processesWith('NONCE', nonce), [], 'a process remains');
  assert.deepEqual(existsSync(join(state, 'processes')) ? readdirSync(join(state, 'processes')) : [], [], 'a folder remains');
});

interface WorkerRequest {
  readonly mode?: string;
  readonly command?: readonly string[];
  readonly startTimeoutMs?: number;
  readonly changes?: Partial<WorkerSpec>;
}

function spec({ mode = '', command = scorerCommand, startTimeoutMs = 20_000, changes = {} }: WorkerRequest): WorkerSpec {
  const named = { id: 'w1', endpoint: 'e', variant: 'AllTraffic', generation: 1, artifact: artifactAt(bundle), modelName: 'scorer/1' };
  const size = { threads: 1, memoryMiB: 1024, instanceType: 'local.1', kind: 'instance' as const, vcpuMax: null };
  return {
    ...named,
    ...size,
    process: {
      command,
      environment: { MODE: mode, NONCE: nonce },
      concurrency: 1,
      startTimeoutMs,
      unpackTimeoutMs: 60_000,
      paths: scorerPaths,
    },
    ...changes,
  };
}

function seen(isIt: (view: WorkerView) => boolean): Promise<WorkerView> {
  return new Promise((resolve) => {
    const look = (view: WorkerView): void => {
      if (!isIt(view)) return;
      off();
      resolve(view);
    };
    const off = provider.onChange(look);
    provider.list().filter(isIt).slice(0, 1).forEach(look);
  });
}

async function start(query: WorkerRequest = {}): Promise<WorkerLink> {
  await provider.start(spec(query));
  const view = await seen(({ state: now }) => now !== 'starting');
  assert.equal(view.state, 'ready', view.reason ?? '');
  return provider.link('w1') as WorkerLink;
}

async function reasonOf(query: WorkerRequest): Promise<string> {
  await provider.start(spec(query));
  return (await seen(({ state: now }) => now === 'failed')).reason ?? '';
}

function call(link: WorkerLink, body: string, headers: PayloadHeaders = {}, sink: ReplySink | null = null): Promise<InvokeResult> {
  return link.invoke({ headers, body: Buffer.from(body) }, 1024 * 1024, sink);
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    assert(tries < 2400, what);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

describe('a process', { skip }, () => {
  test('receives bytes and headers, and its reply is returned unchanged', async () => {
    const link = await start();
    const { reply, timings } = await call(link, 'hello', {
      'content-type': 'text/plain',
      accept: 'application/json',
      'x-amzn-sagemaker-custom-attributes': 'a=1',
    });
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['content-type'], 'application/json');
    assert.equal(reply.headers['x-amzn-sagemaker-custom-attributes'], 'received');
    assert.equal('content-length' in reply.headers || 'connection' in reply.headers, false);
    const { headers, body } = JSON.parse(reply.body.toString()) as { headers: Record<string, string>; body: string };
    assert.deepEqual([body, headers['content-type'], headers.accept], ['hello', 'text/plain', 'application/json']);
    assert.equal(headers['x-amzn-sagemaker-custom-attributes'], 'a=1');
    assert(timings.runMs > 0);
    assert.equal((await call(link, 'rows:1,2.5')).reply.body.toString(), '[2.0, 5.0]');
  });

  test('is started by the container contract, in its own folder with the model', async () => {
    const { reply } = await call(await start(), 'who');
    const { cwd, env, argv } = JSON.parse(reply.body.toString()) as { cwd: string; env: Record<string, string>; argv: string[] };
    assert.equal(argv.at(-1), 'serve');
    assert.equal(cwd, env['SM_MODEL_DIR']);
    assert.equal(join(env['SAGEMAKER_BASE_DIR'] as string, 'model'), cwd);
    assert.equal(existsSync(cwd), false, 'the server sees that folder at another path');
    assert(Number(env['SAGEMAKER_BIND_TO_PORT']) > 0);
    assert.equal(env['OMP_NUM_THREADS'], '1');
    assert.equal(
      Object.keys(env).some((name) => name.includes('TOKEN') || name === 'NODE_OPTIONS'),
      false,
    );
  });

  test('returns its own error', async () => {
    const { reply } = await call(await start(), 'refuse:422');
    assert.deepEqual([reply.status, reply.body.toString()], [422, 'unexpected input']);
  });

  test('streams a reply piece by piece, with backpressure', async () => {
    const link = await start();
    const heads: ReplyHead[] = [];
    let bytes = 0;
    let mayGoOn = (): void => {};
    const held = new Promise<void>((resolve) => {
      mayGoOn = resolve;
    });
    const requested = call(
      link,
      'stream:8000',
      {},
      {
        begin: (head) => void heads.push(head),
        piece: async (piece) => {
          await held;
          bytes += piece.length;
        },
      },
    );
    await until(() => heads.length === 1, 'the reply begins before it is complete');
    const isDone = await Promise.race([requested.then(() => true), new Promise((resolve) => setTimeout(resolve, 300, false))]);
    assert.equal(isDone, false, 'eight megabytes are not buffered');
    mayGoOn();
    const { reply } = await requested;
    assert.deepEqual([heads[0]?.status, reply.isStreamed, reply.body.length], [200, true, 0]);
    assert(bytes > 8_000_000, `${bytes} bytes received`);
    assert.equal((await call(link, 'stream:3')).reply.body.length, 3024, 'complete if not streamed');
  });

  test('stops its reply if the rest is not read, and answers the next request', async () => {
    const link = await start();
    const sink = { begin: () => undefined, piece: () => Promise.reject(new Error('enough')) };
    await assert.rejects(call(link, 'stream:100000', {}, sink), /enough/);
    assert.equal((await call(link, 'rows:1')).reply.status, 200);
  });

  test('whose reply exceeds the limit fails that request, and answers the next one', async () => {
    const link = await start();
    await assert.rejects(call(link, 'stream:2000'), { code: 'model_failed', message: /exceeds the limit of 1048576 bytes/ });
    assert.equal((await call(link, 'rows:1')).reply.status, 200);
  });

  for (const [what, bytes, reason] of [
    ['that is not HTTP', 'hello\r\n\r\n', /POST \/invocations failed: Parse Error/],
    [
      'that switches protocols',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
      /POST \/invocations failed/,
    ],
    [
      'that is shorter than its Content-Length',
      'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort',
      /POST \/invocations failed: aborted/,
    ],
    [
      'that ends between two chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
      /POST \/invocations failed: aborted/,
    ],
    [
      'with endless headers',
      `HTTP/1.1 200 OK\r\n${'X-Long: y\r\n'.repeat(5000)}\r\n`,
      /POST \/invocations failed: Parse Error: Header overflow/,
    ],
    ['that is empty', '', /POST \/invocations failed: socket hang up/],
  ] as const) {
    test(`fails a request with a reply ${what}, and answers the next one`, async () => {
      const link = await start();
      await assert.rejects(call(link, `raw:${bytes}`), { code: 'model_failed', message: reason });
      assert.equal((await call(link, 'rows:1')).reply.status, 200);
    });
  }

  test('that ends during a request ends its worker, and both are restarted', async () => {
    const link = await start();
    await assert.rejects(call(link, 'die'), WorkerLost);
    const { reason } = await seen(({ restarts, state: now }) => restarts === 1 && now === 'ready');
    assert.match(reason ?? '', /the process ended by itself: exit code 3/);
    assert.equal((await call(provider.link('w1') as WorkerLink, 'rows:1')).reply.status, 200);
  });

  test('is restarted if it stops answering its ping, and otherwise left running', async () => {
    const link = await start();
    await provider.start(spec({ changes: { id: 'w2' } }));
    await call(link, 'sicken');
    const { reason } = await seen(({ restarts, state: now }) => restarts === 1 && now === 'ready');
    assert.match(reason ?? '', /the process did not pass the ping health check 3 times: GET \/ping answered 500/);
    assert.deepEqual(
      provider.list().map(({ restarts }) => restarts),
      [1, 0],
    );
  });

  test('that floods its log is truncated and continues', async () => {
    const link = await start();
    await call(link, 'flood:200000');
    assert.equal((await call(link, 'rows:1')).reply.status, 200);
    await call(link, 'flood:200');
    await until(() => printed.some((line) => /lines were dropped/.test(line)), 'omitted lines are counted');
    assert(printed.length < 2000, `${printed.length} lines were retained`);
  });

  test('is ended with all its descendants', async () => {
    await start({ mode: 'family' });
    assert.equal(processesWith('NONCE', nonce).length, 2);
    await provider.stop('w1');
    assert.deepEqual(processesWith('NONCE', nonce), []);
  });

  test('does not outlive a killed worker, nor do its children', async () => {
    await start({ mode: 'family' });
    const before = processesWith('NONCE', nonce);
    process.kill(provider.list()[0]?.pid as number, 'SIGKILL');
    await seen(({ restarts, state: now }) => restarts === 1 && now === 'ready');
    const now = processesWith('NONCE', nonce);
    assert.deepEqual([now.length, now.filter((pid) => before.includes(pid))], [2, []]);
  });

  test('counts its memory towards its worker', async () => {
    await start();
    const own = (provider.list()[0]?.rssBytes ?? 0) / 1024 ** 2;
    assert(own > 50, `${own} MiB: Node and Python together`);
  });
});

describe('fails to start with the reason:', { skip }, () => {
  for (const [what, wish, reason] of [
    [
      'a process that exits at once',
      { mode: 'exit' },
      /python3 did not pass the ping health check: it ended before it answered, exit code 3; its last lines:\nno weights found/,
    ],
    [
      'a process whose ping answers 500',
      { mode: 'sick', startTimeoutMs: 4000 },
      /did not pass the ping health check: GET \/ping answered 500, after 4 s/,
    ],
    [
      'a process that never answers its ping',
      { mode: 'hang', startTimeoutMs: 5000 },
      /did not pass the ping health check: GET \/ping was not answered within 2 s, after 5 s/,
    ],
    [
      'a process that does not listen',
      { command: ['sleep', '3600'], startTimeoutMs: 30_000 },
      /sleep did not pass .*exit code 1.*invalid time interval/s,
    ],
    ['a missing program', { command: ['no-such-program'] }, /no-such-program did not pass .*could not be started.*ENOENT/],
    ['a process without its archive', { changes: { artifact: artifactAt(import.meta.filename) } }, /not a tar archive/],
  ] as const) {
    test(what, async () => assert.match(await reasonOf(wish), reason));
  }
});
