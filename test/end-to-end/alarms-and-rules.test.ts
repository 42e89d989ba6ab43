/** Alarms and rules made, changed and deleted with the command line, on a real server. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { AlarmBody, PageBody, RuleBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server } from './server.ts';

let server: Server;
let receiver: HttpServer;
let hook = '';
/** Bodies that the webhook received. */
const received: Record<string, unknown>[] = [];

before(async () => {
  server = await Server.start();
  await server.deploy('digits', 'digits_mlp');
  receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      received.push(JSON.parse(body) as Record<string, unknown>);
      response.end();
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
});
after(async () => {
  await server?.end();
  receiver?.close();
  receiver?.closeAllConnections();
});

function cli(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(penstock, argv, { env: { ...plainEnvironment(), PENSTOCK_URL: server.url } }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });
}
const alarms = async (): Promise<readonly AlarmBody[]> =>
  (await server.callWell<PageBody<AlarmBody>>('GET', '/alarms?endpoint=digits')).items;

test('an alarm is made, fires at its webhook, is changed and deleted', { timeout: 120_000 }, async () => {
  const rule = 'Maximum of Latency >= 0 in 1 of 1 x 10s';
  const made = await cli('alarms', 'set', 'any-request', '--endpoint', 'digits', '--when', rule, '--call', hook);
  assert.equal(made.stdout, `any-request: Maximum of Latency >= 0 in 1 of 1 x 10 s; calls ${hook}\n`, made.stderr);
  await until('the alarm called its webhook', async () => {
    await server.callWell('POST', '/endpoints/digits/invoke', { instances: [Array.from({ length: 64 }, () => 0)] });
    return received.some(({ alarm, state }) => alarm === 'any-request' && state === 'ALARM');
  });
  const changed = await cli('alarms', 'set', 'any-request', '--when', 'p99 of Latency > 60000 in 2 of 3 x 60s', '--call', 'none');
  assert.equal(changed.stdout, 'any-request: p99 of Latency > 60000 in 2 of 3 x 60 s\n', changed.stderr);
  assert.match((await cli('alarms', 'list', 'digits')).stdout, /any-request +(ALARM|OK) .* p99 of Latency > 60000 in 2 of 3 x 60 s/);
  assert.equal((await cli('alarms', 'delete', 'any-request')).stdout, 'any-request was deleted\n');
  assert(!(await alarms()).some(({ name }) => name === 'any-request'));
});

test('a wrong alarm is rejected with what was expected', async () => {
  const on = ['--endpoint', 'digits'];
  for (const [argv, says] of [
    [['set', 'a', ...on], /there is no such alarm yet: a new one needs a rule, such as/],
    [['set', 'a', ...on, '--when', 'Latency too high'], /the rule 'Latency too high' is not understood: expected such as/],
    [['set', 'a', ...on, '--when', 'p99 of Latncy > 50'], /has no metric 'Latncy' in Penstock: expected one of/],
    [['set', 'a', '--endpoint', 'digit', '--when', 'p99 of Latency > 50'], /no endpoint 'digit'/],
    [['set', 'a', '--when', 'p99 of Latency > 50'], /a new alarm needs the endpoint/],
    [['set', 'a', ...on, '--when', 'p99 of Latency > 50', '--call', server.url], /where this server itself listens/],
    [['set', 'a', ...on, '--when', 'p99 of Latency > 50', '--call', 'ftp://x'], /expected/],
    [['set', 'penstock/digits/errors', '--call', hook], /belongs to its endpoint or the server and cannot be changed/],
    [['delete', 'penstock/digits/errors'], /belongs to its endpoint or the server/],
    [['delete', 'missing'], /there is no alarm 'missing'/],
  ] as const) {
    const { code, stdout, stderr } = await cli('alarms', ...argv);
    assert.deepEqual([code === 0, stdout], [false, ''], argv.join(' '));
    assert.match(stderr, says, argv.join(' '));
  }
});

test('a rule is made, delivers events, is changed and deleted', { timeout: 60_000 }, async () => {
  const pattern = JSON.stringify({ 'detail-type': ['SageMaker Model Package State Change'] });
  const made = await cli('rules', 'set', 'versions', '--pattern', pattern, '--to', hook, '--description', 'new versions');
  assert.equal(made.stdout, `versions is enabled: sends to ${hook}\n`, made.stderr);
  await server.register('iris', 'iris_rf_zipmap');
  await until('the event arrived', () => received.some((event) => event['detail-type'] === 'SageMaker Model Package State Change'));
  const [rule] = (await server.callWell<PageBody<RuleBody>>('GET', '/rules')).items;
  assert.deepEqual([rule?.description, rule?.targets], ['new versions', [{ id: 'target-1', arn: hook }]]);
  assert.equal((await cli('rules', 'set', 'versions', '--enabled', 'no')).stdout, `versions is disabled: sends to ${hook}\n`);
  assert.match((await cli('rules', 'set', 'versions', '--to', 'none')).stdout, /has no target yet/);
  assert.equal((await cli('rules', 'delete', 'versions')).stdout, 'versions was deleted\n');
  assert.deepEqual((await server.callWell<PageBody<RuleBody>>('GET', '/rules')).items, []);
});

test('a wrong rule is rejected with what was expected', async () => {
  for (const [argv, says] of [
    [['set', 'r', '--to', hook], /there is no rule 'r' yet: a new one needs a pattern/],
    [['set', 'r', '--pattern', '{"detail": 1}'], /detail: expected a list of values, or an object/],
    [['set', 'a b', '--pattern', '{"source": ["a"]}'], /expected a name of 1 to 64 letters/],
    [
      ['set', 'r', '--pattern', '{"source": ["a"]}', '--to', 'arn:aws:sns:us-east-1:000000000000:x'],
      /expected a URL, or the ARN of a log group/,
    ],
    [['delete', 'r'], /there is no rule 'r'/],
  ] as const) {
    const { code, stderr } = await cli('rules', ...argv);
    assert.notEqual(code, 0, argv.join(' '));
    assert.match(stderr, says, argv.join(' '));
  }
});

test('changes are audited', async () => {
  const { stdout } = await cli('audit', 'list');
  for (const [action, target, outcome] of [
    ['PutMetricAlarm', 'any-request', 'ok'],
    ['DeleteAlarms', 'any-request', 'ok'],
    ['DeleteAlarms', 'missing', 'not_found'],
    ['PutRule', 'versions', 'ok'],
    ['DeleteRule', 'versions', 'ok'],
  ]) {
    assert.match(stdout, new RegExp(`${action} +${target} +${outcome}`));
  }
});
