/** Batch transforms: results, recovery from kills, and invalid records. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { TransformBody, TransformObjectBody } from '../../src/api/index.ts';
import { npyFile } from '../../src/codecs/index.ts';
import { bytesOf } from '../../src/tensor.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const linesOf = (path: string): string[] => readFileSync(path, 'utf8').trimEnd().split('\n');
/** A line of 64 pixels, different for each seed. */
const rowOf = (seed: number): string => Array.from({ length: 64 }, (_, at) => (seed * 7 + at * 3) % 17).join(',');
const rows = (count: number, from = 0): string => Array.from({ length: count }, (_, at) => `${rowOf(from + at)}\n`).join('');

async function over(server: Server, name: string, patienceMs = 60_000): Promise<TransformBody> {
  return until(
    `transform ${name} is over`,
    async () => {
      const now = await server.callWell<TransformBody>('GET', `/transforms/${name}`);
      return now.state !== 'InProgress' && now.state !== 'Stopping' && now;
    },
    patienceMs,
  );
}

describe('batch transforms', { timeout: 160_000 }, () => {
  let server: Server;
  let folder: string;
  before(async () => {
    folder = temporaryDirectory();
    server = await Server.start();
    await server.approve(await server.register('digits', 'digits_mlp'));
  });
  after(async () => {
    await server?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  test('ignores columns by name, and writes kept columns before the results', async () => {
    const header = `id,${Array.from({ length: 64 }, (_, at) => `p${at}`).join(',')},label`;
    mkdirSync(join(folder, 'named'));
    writeFileSync(join(folder, 'named', 'a.csv'), `${header}\nx1,${rowOf(1)},cat\nx2,${rowOf(2)},dog\n`);
    writeFileSync(join(folder, 'named', 'b.csv'), `${rowOf(1)}\n`);
    const columns = { ignore: ['label'], keep: ['id'] };
    const [input, output] = ['named', 'kept'].map((name) => join(folder, name));
    await server.callWell('POST', '/transforms', { name: 'named', model: 'digits/1', input, output, ...columns });
    const { state, reason } = await over(server, 'named');
    assert.deepEqual(
      linesOf(join(folder, 'kept', 'a.csv.out')).map((line) => line.split(',')[0]),
      ['x1', 'x2'],
    );
    assert.equal(state, 'Failed');
    assert.match(reason ?? '', /b\.csv.*there is no column 'id' in the header/);
  });

  const pathOf = (name: string): string => join(folder, name);
  const put = (name: string, content: string | Buffer): void => {
    mkdirSync(join(pathOf(name), '..'), { recursive: true });
    writeFileSync(pathOf(name), content);
  };
  const transform = async (name: string, more: Record<string, unknown> = {}): Promise<TransformBody> => {
    const body = { name, model: 'digits', input: pathOf(name), output: pathOf(`${name}-out`), ...more };
    await server.callWell('POST', '/transforms', body);
    return over(server, name);
  };

  test('the command line prints why a whole transform failed', async () => {
    put('nowhere/rows.csv', rows(2));
    const verb = ['transform', 'digits', '--input', pathOf('nowhere'), '--to', '/proc/nowhere', '--name', 'nowhere'];
    const [code, stdout] = await new Promise<[unknown, string]>((resolve) => {
      execFile(penstock, verb, { env: { ...plainEnvironment(), PENSTOCK_URL: server.url } }, (error, out) => resolve([error?.code, out]));
    });
    assert.equal(code, 1, stdout);
    assert.match(stdout, /^state +Failed\nreason +cannot write results to \/proc\/nowhere: /m);
  });

  test('every input format gives the same predictions', async () => {
    const values = Array.from({ length: 500 }, (_, row) => rowOf(row).split(',').map(Number));
    const header = Array.from({ length: 64 }, (_, at) => `p${at}`).join(',');
    put('forms/rows.csv', `${header}\r\n${rows(500).replaceAll('\n', '\r\n')}`);
    put('forms/quoted.csv', rows(500).replaceAll(/^\d+/gm, '"$&"'));
    put('forms/deep/rows.csv.gz', gzipSync(rows(500)));
    put('forms/rows.jsonl', values.map((row) => `${JSON.stringify(row)}\n`).join(''));
    put('forms/named.jsonl', values.map((row) => `${JSON.stringify({ pixels: row })}\n`).join(''));
    put('forms/documents.jsonl', `${JSON.stringify({ instances: values.slice(0, 2) })}\n${JSON.stringify(values[2])}\n`);
    put('forms/whole.json', JSON.stringify({ instances: values }));
    const array = Float32Array.from(values.flat());
    put('forms/rows.npy', npyFile({ datatype: 'FP32', shape: [500, 64], data: bytesOf(array) }));
    const done = await transform('forms', { accept: 'application/jsonlines' });
    assert.equal(done.state, 'Completed', done.reason ?? '');
    assert.equal(done.objects_done, 8);
    const expected = linesOf(pathOf('forms-out/rows.csv.out'));
    assert.equal(expected.length, 500);
    assert.equal((JSON.parse(expected[0] as string) as { probabilities: number[] }).probabilities.length, 10);
    for (const name of ['quoted.csv', 'deep/rows.csv.gz', 'rows.jsonl', 'named.jsonl', 'rows.npy']) {
      assert.deepEqual(linesOf(pathOf(`forms-out/${name}.out`)), expected, name);
    }
    const [document, third] = linesOf(pathOf('forms-out/documents.jsonl.out'));
    assert.equal(document, `{"predictions":[${expected.slice(0, 2).join(',')}]}`);
    assert.equal(third, expected[2]);
    assert.deepEqual(
      readdirSync(pathOf('forms-out')).filter((name) => name.startsWith('.')),
      [],
    );
  });

  test('a malformed line fails its file, with the line number, and no other file', async () => {
    put('spoilt/good.csv', rows(100));
    put('spoilt/bad.csv', `${rows(5000)}\n1,2,x\n${rows(5000)}`);
    const done = await transform('spoilt');
    assert.equal(done.state, 'Failed');
    assert.match(done.reason ?? '', /^1 of 2 objects failed: bad\.csv: line 5002: /);
    assert.deepEqual(readdirSync(pathOf('spoilt-out')), ['good.csv.out']);
    put('spoilt/bad.csv', rows(10_000));
    await server.callWell('POST', '/transforms/spoilt/resume', {});
    assert.equal((await over(server, 'spoilt')).state, 'Completed');
    assert.equal(linesOf(pathOf('spoilt-out/bad.csv.out')).length, 10_000);
  });

  test('skips bad lines on request, and reports their numbers', async () => {
    put('skipping/a.csv', `${rows(3000)}1,2,3\n${rows(2000, 3000)}nothing\n${rows(10, 5000)}`);
    put('skipping/b.jsonl', `${JSON.stringify(rowOf(1).split(',').map(Number))}\n{"broken\n[1]\n`);
    const done = await transform('skipping', { bad_records: 'skip' });
    assert.equal(done.state, 'Completed', done.reason ?? '');
    assert.equal(done.records_skipped, 4);
    const { items } = await server.callWell<{ items: TransformObjectBody[] }>('GET', '/transforms/skipping/objects');
    assert.match(items[0]?.note ?? '', /^skipped lines 3001, 5002 \(line 3001: /);
    assert.match(items[1]?.note ?? '', /^skipped lines 2, 3 /);
    put('clean/a.csv', rows(5010));
    await transform('clean');
    assert.deepEqual(linesOf(pathOf('skipping-out/a.csv.out')), linesOf(pathOf('clean-out/a.csv.out')));
  });

  test('npy input of a model with several outputs fails, and says what to accept', async () => {
    put('arrays/rows.npy', npyFile({ datatype: 'FP64', shape: [3, 64], data: bytesOf(new Float64Array(192)) }));
    const refused = await transform('arrays');
    assert.match(refused.reason ?? '', /2 outputs, but an npy file has only one: accept text\/csv or application\/jsonlines/);
  });

  test('an npy file of many batches becomes one npy file with the same results as CSV', async () => {
    await server.approve(await server.register('diabetes', 'diabetes_rf'));
    const values = Float32Array.from({ length: 50_000 }, (_, at) => ((at % 97) - 48) / 500);
    put('whole/rows.npy', npyFile({ datatype: 'FP32', shape: [5000, 10], data: bytesOf(values) }));
    for (const [output, accept] of [
      ['whole-npy', 'application/x-npy'],
      ['whole-csv', 'text/csv'],
    ] as const) {
      const body = { name: output, model: 'diabetes', input: pathOf('whole'), output: pathOf(output), accept };
      await server.callWell('POST', '/transforms', body);
      const done = await over(server, output);
      assert.equal(done.state, 'Completed', done.reason ?? '');
    }
    const lines = linesOf(pathOf('whole-csv/rows.npy.out'));
    assert.equal(lines.length, 5000);
    const data = bytesOf(Float32Array.from(lines.map(Number)));
    assert.deepEqual(readFileSync(pathOf('whole-npy/rows.npy.out')), npyFile({ datatype: 'FP32', shape: [5000, 1], data }));
  });

  test('an object that was deleted before it was read fails with that reason', async () => {
    put('deleted/a.csv', '1,2,x\n');
    put('deleted/b.csv', rows(1));
    await transform('deleted');
    rmSync(pathOf('deleted/a.csv'));
    await server.callWell('POST', '/transforms/deleted/resume', {});
    const done = await over(server, 'deleted');
    assert.deepEqual([done.state, done.reason], ['Failed', '1 of 2 objects failed: a.csv: the object no longer exists']);
  });

  test('a transform is not resumed with another model of the same name', async () => {
    await server.approve(await server.register('renewed', 'digits_logreg'));
    put('renewed/a.csv', rows(1));
    put('renewed/b.csv', '1,2,x\n');
    assert.equal((await transform('renewed', { model: 'renewed/1' })).state, 'Failed');
    await server.callWell('DELETE', '/groups/renewed/versions/1');
    await server.callWell('DELETE', '/groups/renewed');
    await server.approve(await server.register('renewed', 'digits_mlp'));
    put('renewed/b.csv', rows(1));
    await server.callWell('POST', '/transforms/renewed/resume', {});
    const done = await over(server, 'renewed');
    assert.equal(done.state, 'Failed');
    assert.match(done.reason ?? '', /^renewed\/1 is not the model this transform started with/);
  });

  test('a transform whose version was rejected is not resumed', async () => {
    await server.approve(await server.register('rejected', 'digits_logreg'));
    put('rejected/a.csv', '1,2,x\n');
    assert.equal((await transform('rejected', { model: 'rejected/1' })).state, 'Failed');
    await server.callWell('POST', '/groups/rejected/versions/1/approval', { approval: 'Rejected' });
    await server.callWell('POST', '/transforms/rejected/resume', {});
    assert.equal((await over(server, 'rejected')).reason, 'rejected/1 is Rejected: only an Approved version can run a transform');
  });

  for (const { what, name, content, says } of [
    { what: 'an unknown kind of file', name: 'a.parquet', content: 'PAR1', says: /unknown file extension/ },
    { what: 'invalid gzip', name: 'a.csv.gz', content: 'no gzip', says: /not a complete gzip file/ },
    { what: 'a truncated gzip file', name: 'a.csv.gz', content: gzipSync(rows(5000)).subarray(0, -20), says: /not a complete gzip file/ },
    {
      what: 'a truncated array',
      name: 'a.npy',
      content: npyFile({ datatype: 'FP32', shape: [9, 64], data: new Uint8Array(64 * 4) }),
      says: /ends before its last row/,
    },
    {
      what: 'an unclosed quote',
      name: 'a.csv',
      content: `${rows(3)}"${rows(60_000)}`,
      says: /line 4 is too long.* a quote in it is never closed/,
    },
    { what: 'invalid UTF-8 in a line', name: 'a.csv', content: Buffer.from([0x31, 0x2c, 0xff, 0xfe, 0x0a]), says: /line 1: .*UTF-8/ },
    { what: 'an empty file', name: 'a.csv', content: '', says: null },
  ]) {
    test(`${what} ${says === null ? 'has an empty result' : 'fails with the reason'}`, async () => {
      const job = `odd-${what.replaceAll(/[^a-z]+/g, '-')}`;
      put(`${job}/${name}`, content);
      const done = await transform(job, { accept: 'text/csv' });
      assert.equal(done.state, says === null ? 'Completed' : 'Failed', done.reason ?? '');
      if (says !== null) assert.match(done.reason ?? '', says);
    });
  }

  test('only admins can use paths of the server', async () => {
    for (const [role, status] of [
      ['invoker', 403],
      ['deployer', 403],
      ['admin', 202],
    ] as const) {
      const { id, secret } = await server.callWell<{ id: string; secret: string }>('POST', '/keys', { role });
      put(`keys-${role}/a.csv`, rows(1));
      const body = { name: `keys-${role}`, model: 'digits', input: pathOf(`keys-${role}`), output: pathOf(`keys-${role}-out`) };
      const reply = await server.call<{ error: string }>('POST', '/transforms', body, { authorization: `Bearer ${id}:${secret}` });
      assert.equal(reply.status, status, JSON.stringify(reply.body));
    }
    await over(server, 'keys-admin');
  });

  test('rejects invalid transforms immediately', async () => {
    for (const [more, status, says] of [
      [{ model: 'unknown' }, 404, /unknown/],
      [{ input: 'relative' }, 400, /expected s3:/],
      [{ input_filter: '$..a' }, 400, /invalid filter/],
      [{ name: '-' }, 400, /invalid transform name/],
      [{ output: pathOf('refused') }, 400, /must differ from the input/],
    ] as const) {
      const body = { name: 'refused', model: 'digits', input: pathOf('refused'), output: pathOf('x'), ...more };
      const reply = await server.call<{ error: string }>('POST', '/transforms', body);
      assert.equal(reply.status, status, JSON.stringify(reply.body));
      assert.match(reply.body.error, says);
    }
    const done = await transform('missing');
    assert.match(done.reason ?? '', /there is no file or directory/);
  });
});

test('a transform continues after the server was killed, without duplicate results', { timeout: 160_000 }, async () => {
  const folder = temporaryDirectory();
  const dataDir = temporaryDirectory();
  let server = await Server.start({ dataDir });
  try {
    await server.approve(await server.register('digits', 'digits_cnn'));
    mkdirSync(join(folder, 'in'));
    // The model is slow enough that the kills happen during the transform.
    const count = 60_000;
    writeFileSync(join(folder, 'in/a.csv'), rows(1000));
    writeFileSync(join(folder, 'in/big.csv'), rows(1000).repeat(count / 1000));
    await server.callWell('POST', '/transforms', {
      name: 'killed',
      model: 'digits',
      input: join(folder, 'in'),
      output: join(folder, 'out'),
    });
    for (const share of [0.2, 0.5]) {
      await until(
        'a part of the transform is done',
        async () => {
          const now = await server.callWell<TransformBody>('GET', '/transforms/killed');
          return now.records > share * count;
        },
        60_000,
      );
      server.signal('SIGKILL');
      await server.ended;
      server = await Server.start({ dataDir });
    }
    const resumed = await server.callWell<TransformBody>('GET', '/transforms/killed');
    const done = await over(server, 'killed', 90_000);
    assert.equal(done.state, 'Completed', done.reason ?? '');
    assert.equal(done.records, count + 1000);
    assert(resumed.state === 'InProgress', 'the transform was in progress when the server restarted');
    const expected = linesOf(join(folder, 'out/a.csv.out'));
    const all = linesOf(join(folder, 'out/big.csv.out'));
    assert.equal(all.length, count);
    for (let at = 0; at < count; at += 997) assert.equal(all[at], expected[at % 1000]);
    assert.deepEqual(readdirSync(join(folder, 'out')).sort(), ['a.csv.out', 'big.csv.out']);
  } finally {
    await server.end();
    for (const path of [folder, dataDir]) rmSync(path, { recursive: true, force: true });
  }
});

describe('penstock transform', { timeout: 160_000 }, () => {
  const count = 60_000;
  let folder: string;
  let dataDir: string;
  let server: Server;
  before(async () => {
    folder = temporaryDirectory();
    dataDir = temporaryDirectory();
    server = await Server.start({ dataDir });
    await server.approve(await server.register('digits', 'digits_cnn'));
    writeFileSync(join(folder, 'rows.csv'), rows(1000).repeat(count / 1000));
  });
  after(async () => {
    await server?.end();
    for (const path of [folder, dataDir]) rmSync(path, { recursive: true, force: true });
  });

  /** Runs the verb as a process. `ended` resolves to its exit code and output. */
  const verb = (...args: string[]) => {
    const child = spawn(penstock, ['transform', ...args], { env: { ...plainEnvironment(), PENSTOCK_URL: server.url } });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const ended = new Promise<readonly [number | null, string]>((resolve) => child.on('close', (code) => resolve([code, text])));
    return { child, ended };
  };
  const start = (name: string) => verb('digits/1', '--input', join(folder, 'rows.csv'), '--to', join(folder, name), '--name', name);
  const isPartDone = (name: string): Promise<TransformBody> =>
    until(`a part of ${name} is done`, async () => {
      const { status, body } = await server.call<TransformBody>('GET', `/transforms/${name}`);
      return status === 200 && body.records > count / 10 && body;
    });
  const isWhole = (name: string): void => {
    const lines = linesOf(join(folder, name, 'rows.csv.out'));
    assert.equal(lines.length, count);
    for (let at = 0; at < count; at += 997) assert.equal(lines[at], lines[at % 1000]);
    assert.deepEqual(readdirSync(join(folder, name)), ['rows.csv.out']);
  };

  test('Ctrl-C stops a transform, the list shows its progress, and --resume completes it', async () => {
    const { child, ended } = start('interrupted');
    await isPartDone('interrupted');
    child.kill('SIGINT');
    const [code, output] = await ended;
    assert.equal(code, 1, output);
    assert.match(output, /stopped; completed results are kept\. Resume with penstock transform --resume interrupted/);
    await over(server, 'interrupted');
    const [, list] = await verb('--list').ended;
    const [, records] = /^interrupted +digits\/1 +Stopped +0\/1 +(\d+)/m.exec(list) ?? [];
    assert(Number(records) > count / 10 && Number(records) < count, list);
    const [resumed, text] = await verb('--resume', 'interrupted').ended;
    assert.equal(resumed, 0, text);
    assert.match(text, new RegExp(`^records +${count}$`, 'm'));
    isWhole('interrupted');
  });

  test('--resume follows a transform to its end after the server was killed', async () => {
    const { ended } = start('killed');
    await isPartDone('killed');
    server.signal('SIGKILL');
    await server.ended;
    const [code, output] = await ended;
    assert.equal(code, 1, output);
    server = await Server.start({ dataDir });
    const [resumed, text] = await verb('--resume', 'killed').ended;
    assert.equal(resumed, 0, text);
    assert.match(text, new RegExp(`^state +Completed$[^]*^records +${count}$`, 'm'));
    isWhole('killed');
  });
});
