/** Webhooks aimed at the server itself: no rule, alarm or request makes the server call itself with the privileges of loopback. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { PageBody, VersionBody } from '../../src/api/index.ts';
import { json, messageOf, sendSigned } from '../aws/signed-request.ts';
import { freePort } from '../free-port.ts';
import { until } from './poll.ts';
import { type Refusal, Server, temporaryDirectory } from './server.ts';

interface Delivery {
  readonly rule: string;
  readonly state: string;
  readonly reason: string | null;
}
interface Key {
  readonly id: string;
  readonly secret: string;
}

const dataDir = temporaryDirectory();
/** An address of this machine other than loopback. */
const ownAddress = Object.values(networkInterfaces())
  .flatMap((addresses = []) => addresses)
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

describe('a webhook', () => {
  let server: Server;
  let deployer: Key;
  let invoker: Key;
  let approval = '';
  before(async () => {
    writeFileSync(join(dataDir, 'config.json'), '{}');
    server = await Server.start({ dataDir });
    deployer = await server.callWell<Key>('POST', '/keys', { role: 'deployer' });
    invoker = await server.callWell<Key>('POST', '/keys', { role: 'invoker' });
    await server.deploy('served', 'digits_mlp');
    const version = await server.register('waiting', 'digits_mlp');
    approval = `/api/v1/groups/${version.group}/versions/${version.version}/approval`;
  });
  after(() => server?.end());

  const events = (key: Key, operation: string, input: object) =>
    sendSigned(server.url, { key, service: 'events', ...json(`AWSEvents.${operation}`, input) });
  const approvalNow = async (): Promise<string> => (await server.callWell<VersionBody>('GET', '/groups/waiting/versions/1')).approval;
  const deliveriesOf = async (rule: string): Promise<readonly Delivery[]> =>
    (await server.callWell<PageBody<Delivery>>('GET', `/rules/deliveries?rule=${encodeURIComponent(rule)}`)).items;

  async function putRule(name: string): Promise<void> {
    const created = await events(deployer, 'PutRule', { Name: name, EventPattern: JSON.stringify({ source: [name] }) });
    assert.equal(created.status, 200, created.body);
  }
  const putTarget = async (rule: string, url: string): Promise<{ FailedEntries: { ErrorMessage: string }[] }> => {
    const put = await events(deployer, 'PutTargets', { Rule: rule, Targets: [{ Id: 't', Arn: url, Input: '{"approval":"Approved"}' }] });
    assert.equal(put.status, 200, put.body);
    return JSON.parse(put.body) as { FailedEntries: { ErrorMessage: string }[] };
  };
  async function fire(rule: string): Promise<void> {
    const entries = [{ Source: rule, DetailType: 'x', Detail: '{}' }];
    const fired = await events(invoker, 'PutEvents', { Entries: entries });
    assert.equal(fired.status, 200, fired.body);
  }

  const ownUrls = (): string[] => {
    const { port } = new URL(server.url);
    const hosts = [
      '127.0.0.1',
      'localhost',
      '127.1',
      '127.5.6.7',
      '[::1]',
      '[::ffff:127.0.0.1]',
      ...(ownAddress === undefined ? [] : [ownAddress]),
    ];
    return hosts.map((host) => `http://${host}:${port}`);
  };

  test("of a deployer's rule cannot target the server, in any spelling of its address", async () => {
    await putRule('direct');
    for (const url of ownUrls()) {
      const { FailedEntries } = await putTarget('direct', url + approval);
      assert.match(FailedEntries[0]?.ErrorMessage ?? '', /is not called: .*where this server itself listens/, url);
    }
    await fire('direct');
    assert.equal(await approvalNow(), 'PendingManualApproval');
  });

  test('of an alarm or an asynchronous request cannot target the server', async () => {
    const [url = ''] = ownUrls();
    const alarm = { AlarmName: 'a', Namespace: 'n', MetricName: 'm', Statistic: 'Sum', Period: 60, EvaluationPeriods: 1 };
    const rule = { Threshold: 1, ComparisonOperator: 'GreaterThanThreshold', AlarmActions: [url + approval] };
    const put = await sendSigned(server.url, {
      key: deployer,
      service: 'monitoring',
      ...json('GraniteServiceVersion20100801.PutMetricAlarm', { ...alarm, ...rule }, '1.0'),
    });
    assert.equal(put.status, 400, put.body);
    assert.match(messageOf(put.body), /where this server itself listens/);
    const query = new URLSearchParams({ notify: url + approval });
    const headers = { authorization: `Bearer ${invoker.id}:${invoker.secret}` };
    const requested = await server.call<Refusal>('POST', `/endpoints/served/async?${query.toString()}`, { instances: [] }, headers);
    assert.equal(requested.status, 400);
    assert.match(requested.body.error, /where this server itself listens/);
  });

  test('is not redirected to the server', async (t) => {
    const [url = ''] = ownUrls();
    const receiver = createServer((_request, response) => response.writeHead(307, { location: url + approval }).end());
    receiver.listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    t.after(() => receiver.close());
    await putRule('redirected');
    const { FailedEntries } = await putTarget('redirected', `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`);
    assert.deepEqual(FailedEntries, []);
    await fire('redirected');
    const [delivery] = await until('the delivery was attempted', async () => {
      const found = await deliveriesOf('redirected');
      return found.some(({ reason }) => reason !== null) && found;
    });
    assert.match(delivery?.reason ?? '', /redirects are not followed/);
    assert.equal(await approvalNow(), 'PendingManualApproval');
  });

  test('forwarded by a program on this machine does not get anonymous admin rights', async () => {
    const headers = { 'penstock-delivery': '5f0c', 'content-type': 'application/json' };
    for (const path of [approval, '/api/v1/transforms', '/api/v1/keys']) {
      const answer = await fetch(server.url + path, { method: 'POST', headers, body: '{"approval":"Approved"}' });
      assert.equal(answer.status, 403, path);
      assert.match(await answer.text(), /it was sent by a proxy or another server \(header penstock-delivery\)/);
    }
    assert.equal(await approvalNow(), 'PendingManualApproval');
  });
});

describe('a rule that was created while the port was free', () => {
  test('cannot approve or read files through the server: its delivery is abandoned', async (t) => {
    let server = await Server.start({ dataDir });
    t.after(() => server.end());
    // The rule targets a port on which only the next server listens.
    const [admin = '', secret = ''] = server.adminKey.split(':');
    const call = async (operation: string, input: object): Promise<void> => {
      const reply = await sendSigned(server.url, {
        key: { id: admin, secret },
        service: 'events',
        ...json(`AWSEvents.${operation}`, input),
      });
      assert.equal(reply.status, 200, reply.body);
      assert.equal(
        (JSON.parse(reply.body === '' ? '{}' : reply.body) as { FailedEntryCount?: number }).FailedEntryCount ?? 0,
        0,
        reply.body,
      );
    };
    const nextPort = await freePort();
    const targets = {
      approve: { path: '/api/v1/groups/waiting/versions/1/approval', input: { approval: 'Approved' } },
      transform: {
        path: '/api/v1/transforms',
        input: { model: 'served/1', input: join(dataDir, 'keys.json'), output: 's3://stolen/keys' },
      },
    };
    for (const [rule, { path, input }] of Object.entries(targets)) {
      await call('PutRule', { Name: rule, EventPattern: JSON.stringify({ source: [rule] }) });
      await call('PutTargets', {
        Rule: rule,
        Targets: [{ Id: 't', Arn: `http://127.0.0.1:${nextPort}${path}`, Input: JSON.stringify(input) }],
      });
    }
    await server.end();
    server = await Server.start({ dataDir, flags: ['--port', String(nextPort)] });
    for (const rule of Object.keys(targets)) {
      await call('PutEvents', { Entries: [{ Source: rule, DetailType: 'x', Detail: '{}' }] });
      const delivery = await until('the delivery is given up', async () => {
        const { items } = await server.callWell<PageBody<Delivery>>('GET', `/rules/deliveries?rule=${rule}`);
        return items.find(({ state }) => state === 'given_up');
      });
      assert.match(delivery.reason ?? '', /where this server itself listens/);
    }
    assert.equal((await server.callWell<VersionBody>('GET', '/groups/waiting/versions/1')).approval, 'PendingManualApproval');
    assert.deepEqual((await server.callWell<PageBody<unknown>>('GET', '/transforms')).items, []);
  });
});
