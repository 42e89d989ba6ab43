/** Process models: registration, deployment, invocation and clean removal. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { processesWith, scorerBundle, scorerCommand, scorerPaths, skip } from './index.ts';
import { TestServer } from './server.ts';

const nonce = `processes-${process.pid}`;
const images = [
  { match: 'test/scorer', runtime: 'process', command: scorerCommand, paths: scorerPaths, env: { NONCE: nonce, LEVEL: 'image' } },
  {
    match: 'test/threads',
    runtime: 'process',
    command: scorerCommand,
    paths: scorerPaths,
    env: { NONCE: nonce, MODE: 'threads' },
    concurrency: 4,
  },
];
const server = new TestServer(images);
const bundle = await scorerBundle();
before(() => server.start());
after(async () => {
  await server.close();
  assert.deepEqual(processesWith('NONCE', nonce), [], 'no process is left');
});

function running(): readonly number[] {
  return processesWith('NONCE', nonce);
}

async function untilRunning(count: number): Promise<void> {
  await until(`${count} processes run`, () => running().length === count);
}

const image = 'test/scorer:1.0';

test('rejects an unknown image, invalid variables and an invalid archive', { skip }, async () => {
  const unknown = await server.call('POST', '/groups/g/versions?image=unknown/image', bundle);
  assert.deepEqual([unknown.status, unknown.at('code')], [400, 'invalid_request']);
  assert.match(unknown.text, /'unknown\/image' is not in the images table/);
  const environment = encodeURIComponent(JSON.stringify({ 'A B': 'secret' }));
  const wrong = await server.call('POST', `/groups/g/versions?image=test/scorer&environment=${environment}`, bundle);
  assert.match(wrong.text, /'A B' is not a valid variable name/);
  assert.doesNotMatch(wrong.text, /secret/);
  const garbage = await server.call('POST', '/groups/g/versions?image=test/scorer', 'garbage'.repeat(200));
  assert.match(garbage.text, /not a tar archive/);
  assert.equal((await server.call('GET', '/groups/g')).status, 404);
});

describe('a deployed process', { skip }, () => {
  before(async () => {
    await server.deploy('scorer', { image, environment: { LEVEL: 'model' }, bundle });
    await server.until('scorer', 'InService');
  });

  test('shows its runtime', async () => {
    const version = await server.call('GET', '/groups/scorer/versions/1');
    const environment = { NONCE: nonce, LEVEL: 'model' };
    assert.deepEqual(version.at('runtime'), {
      kind: 'process',
      image,
      command: scorerCommand,
      environment,
      concurrency: 1,
      paths: scorerPaths,
    });
    assert.deepEqual([version.at('signature'), version.at('batchable')], [{ inputs: [], outputs: [] }, false]);
    const profile = await server.call('POST', '/groups/scorer/versions/1/profile', { instance_type: 'local.1' });
    assert.match(profile.text, /is a process: its inputs are unknown/);
  });

  test('receives and returns bytes and headers, and is billed', async () => {
    const answer = await server.invoke('scorer', 'rows:1,2', {
      accept: 'application/json',
      'x-amzn-sagemaker-custom-attributes': 'a=1',
    });
    assert.deepEqual([answer.status, answer.text], [200, '[2.0, 4.0]']);
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.equal(answer.headers.get('x-amzn-sagemaker-custom-attributes'), 'received');
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const received = await server.invoke('scorer', 'who', { 'x-amzn-sagemaker-custom-attributes': 'a=1', cookie: 'id=1', traceparent });
    assert.deepEqual(
      [
        received.at('headers.x-amzn-sagemaker-custom-attributes'),
        received.at('headers.cookie'),
        received.at('headers.traceparent'),
        received.at('env.LEVEL'),
      ],
      ['a=1', undefined, traceparent, 'model'],
    );
    const endpoint = await server.call('GET', '/endpoints/scorer');
    for (const [what, least] of [
      ['statistics.requests', 2],
      ['statistics.compute_ms', 0.01],
      ['usage.total_usd', 1e-9],
    ] as const) {
      assert(Number(endpoint.at(`variants.0.${what}`)) >= least, what);
    }
  });

  test('can reject with its own status and body, marked as errors of the model', async () => {
    const answer = await server.invoke('scorer', 'refuse:422');
    assert.deepEqual([answer.status, answer.text, answer.headers.get('x-penstock-error')], [422, 'unexpected input', 'model_failed']);
  });

  test('gets an error response for an invalid status or reply', async () => {
    for (const reply of ['HTTP/1.1 099 What\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 999 What\r\nContent-Length: 2\r\n\r\nno', 'nothing']) {
      const answer = await server.invoke('scorer', `raw:${reply}`);
      assert(answer.status >= 400, `${answer.status} ${answer.text}`);
    }
  });

  test('streams, and a client that disconnects does not delay others', async () => {
    const whole = await server.invoke('scorer', 'stream:500');
    assert.equal(whole.text.match(/piece \d+ /g)?.length, 500);
    const cancellation = new AbortController();
    const response = await fetch(`${server.url}/api/v1/endpoints/scorer/invoke`, {
      method: 'POST',
      body: 'stream:100000',
      signal: cancellation.signal,
    });
    await response.body?.getReader().read();
    cancellation.abort();
    assert.equal((await server.invoke('scorer', 'rows:1')).text, '[2.0]');
  });

  test('serves concurrent requests one after the other', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => server.invoke('scorer', `rows:${i}`)));
    assert.deepEqual(
      answers.map(({ text }) => text),
      Array.from({ length: 40 }, (_, i) => `[${(2 * i).toFixed(1)}]`),
    );
  });

  test('gets a request once more if it died, and never a third time', async () => {
    const answer = await server.invoke('scorer', 'die');
    assert.equal(answer.status, 500);
    assert.match(answer.text, /the worker of scorer\/1 crashed 2 times while running this request/);
    await server.until('scorer', 'InService');
    assert.equal((await server.invoke('scorer', 'rows:1')).text, '[2.0]');
  });

  test('does not support tensors of the Open Inference Protocol', async () => {
    const metadata = (await (await fetch(`${server.url}/v2/models/scorer`)).json()) as { platform: string };
    assert.equal(metadata.platform, 'process');
    const infer = await fetch(`${server.url}/v2/models/scorer/infer`, { method: 'POST', body: '{"inputs": []}' });
    const refused = (await infer.json()) as { code: string; error: string };
    assert.deepEqual([infer.status, refused.code], [501, 'unsupported']);
    assert.match(refused.error, /it accepts raw bytes, not tensors/);
  });

  test('ends with its endpoint', async () => {
    await server.call('DELETE', '/endpoints/scorer');
    await server.until('scorer', 'deleted');
    assert.deepEqual([running(), readdirSync(join(server.directory, 'processes'))], [[], []]);
  });
});

test('a process with concurrency 4 gets four concurrent requests as one instance', { skip }, async () => {
  await server.deploy('threads', { image: 'test/threads', bundle });
  await server.until('threads', 'InService');
  const answers = await Promise.all(Array.from({ length: 8 }, () => server.invoke('threads', 'meet')));
  assert.deepEqual(new Set(answers.map(({ status, text }) => `${status} ${text}`)), new Set(['200 4']));
  const endpoint = await server.call('GET', '/endpoints/threads');
  assert.deepEqual([endpoint.at('variants.0.ready'), endpoint.at('variants.0.workers.length')], [1, 1]);
  assert.equal((await server.invoke('threads', 'die')).status, 500);
  await server.until('threads', 'InService');
  assert.deepEqual(
    (await Promise.all(Array.from({ length: 4 }, () => server.invoke('threads', 'rows:1')))).map(({ text }) => text),
    Array(4).fill('[2.0]'),
  );
  await server.call('DELETE', '/endpoints/threads');
  await server.until('threads', 'deleted');
  assert.deepEqual(running(), []);
});

test('a client that does not read its response loses the response, and the process keeps serving others', { skip }, async () => {
  await server.deploy('stalled', { image, bundle, endpoint: { timeout_ms: 4000 } });
  await server.until('stalled', 'InService');
  const before = running();
  const response = await fetch(`${server.url}/api/v1/endpoints/stalled/invoke`, { method: 'POST', body: 'stream:100000' });
  assert.equal(response.status, 200);
  const next = await server.invoke('stalled', 'rows:1', {});
  assert(next.text === '[2.0]' || next.status === 504, next.text); // it waited during the whole timeout of the other
  await assert.rejects(response.text(), 'the truncated response is an error');
  assert.equal((await server.invoke('stalled', 'rows:1')).text, '[2.0]');
  assert.deepEqual(running(), before);
  await server.call('DELETE', '/endpoints/stalled');
  await server.until('stalled', 'deleted');
});

test('a process that hangs is restarted after the timeout of its endpoint', { skip }, async () => {
  await server.deploy('hanging', { image, bundle, endpoint: { timeout_ms: 1500 } });
  await server.until('hanging', 'InService');
  const answer = await server.invoke('hanging', 'sleep:3600');
  assert.deepEqual([answer.status, answer.at('code')], [504, 'deadline_exceeded']);
  for (let tries = 0; (await server.invoke('hanging', 'rows:1')).text !== '[2.0]'; tries++) assert(tries < 100);
  await server.call('DELETE', '/endpoints/hanging');
  await server.until('hanging', 'deleted');
});

test('without instances, the first request starts the process', { skip }, async () => {
  await server.deploy('sleeper', { image, bundle, variant: { functions: { memory_mib: 512 } } });
  await server.until('sleeper', 'InService');
  assert.deepEqual(running(), []);
  assert.equal((await server.invoke('sleeper', 'rows:3')).text, '[6.0]');
  assert.equal(running().length, 1);
  await server.call('DELETE', '/endpoints/sleeper');
  await server.until('sleeper', 'deleted');
});

test('a process that does not start is reported with the reason, and its endpoint can be deleted', { skip }, async () => {
  await server.deploy('broken', { image, environment: { MODE: 'exit' }, bundle });
  const failed = await server.until('broken', 'Failed');
  assert.match(
    String(failed.at('reason')),
    /did not pass the ping health check: it ended before it answered, exit code 3; its last lines:\nno weights found/,
  );
  await server.call('DELETE', '/endpoints/broken');
  await server.until('broken', 'deleted');
});

test('a process that prints continuously ends with a killed server', { skip }, async () => {
  await server.deploy('chatty', { image, environment: { MODE: 'chatty' }, bundle });
  await server.until('chatty', 'InService');
  await server.kill('SIGKILL');
  await untilRunning(0);
  await server.start();
  await server.call('DELETE', '/endpoints/chatty');
  await server.until('chatty', 'deleted');
});

test('a killed server leaves no process, and the next one serves with new processes', { skip }, async () => {
  await server.deploy('family', { image, environment: { MODE: 'family' }, bundle });
  await server.until('family', 'InService');
  const before = running();
  assert.equal(before.length, 2);
  await server.kill('SIGKILL');
  await server.start();
  await server.until('family', 'InService');
  const now = running();
  assert.deepEqual([now.length, now.filter((pid) => before.includes(pid))], [2, []]);
  assert.equal(readdirSync(join(server.directory, 'processes')).length, 1);
});

test('a stopped server ends all processes', { skip }, async () => {
  await server.kill('SIGTERM');
  assert.deepEqual(
    [running(), existsSync(join(server.directory, 'processes')) && readdirSync(join(server.directory, 'processes')).length > 0],
    [[], false],
  );
  await server.start();
  await server.until('family', 'InService');
  await untilRunning(2);
});
