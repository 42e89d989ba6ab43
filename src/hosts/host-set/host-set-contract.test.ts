/** What the home expects of an engine: Kubernetes, and a program of the operator. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { KubernetesServer } from '../../../test/kubernetes-server.ts';
import { SystemClock } from '../../clock.ts';
import type { HostSet } from './host-set.ts';
import { ordinalOf } from './host-set.ts';
import { kubernetesPlace } from './kubernetes-api.ts';
import { KubernetesSet } from './kubernetes-set.ts';
import { ProgramSet } from './program-set.ts';

/** Keeps number and version in a file; rejects a change of another version. */
const program = `#!${process.execPath}
const { readFileSync, writeFileSync } = require('node:fs');
const [verb, name] = process.argv.slice(2);
const file = __dirname + '/' + name + '.json';
let state = JSON.parse(readFileSync(file));
if (verb === 'write') {
  const { hosts, version, epoch } = JSON.parse(readFileSync(0));
  if (version !== state.version) process.exit(3);
  if (hosts !== state.hosts) state = { hosts, version: String(Number(version) + 1), epoch };
  writeFileSync(file, JSON.stringify(state));
}
process.stdout.write(JSON.stringify(state));
`;

interface Engine {
  readonly set: HostSet;
  /** The number, and the epoch of its last change. */
  readonly state: () => readonly [number, number | null];
  readonly start: (hosts: number) => void;
}

let server: KubernetesServer;
let folder: string;
before(async () => {
  server = await KubernetesServer.start();
  folder = mkdtempSync(join(tmpdir(), 'penstock-host-set-'));
  writeFileSync(join(folder, 'program'), program, { mode: 0o755 });
});
after(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const inKubernetes = (): Engine => {
  server.set('gpu', 0);
  return {
    set: new KubernetesSet(kubernetesPlace(server.environment, server.folder), 'gpu'),
    state: () => [server.replicas('gpu'), Number(/\d+$/.exec(server.changes.at(-1)?.manager ?? '')?.[0] ?? Number.NaN)],
    start: (hosts) => server.set('gpu', hosts),
  };
};

const byProgram = (): Engine => {
  const file = join(folder, 'gpu.json');
  const state = () => JSON.parse(readFileSync(file, 'utf8')) as { readonly hosts: number; readonly epoch?: number };
  return {
    set: new ProgramSet(new SystemClock(), join(folder, 'program'), 'gpu', process.env),
    state: () => [state().hosts, state().epoch ?? null],
    start: (hosts) => writeFileSync(file, JSON.stringify({ hosts, version: '7' })),
  };
};

for (const [name, open] of Object.entries({ Kubernetes: inKubernetes, 'a program': byProgram })) {
  describe(`the number of hosts by ${name}`, () => {
    test('is read, also if it is 0', async () => {
      const { set, start } = open();
      for (const hosts of [0, 3]) {
        start(hosts);
        assert.equal((await set.read()).hosts, hosts);
      }
    });

    test('is changed with the epoch of the home, and has another version then', async () => {
      const { set, start, state } = open();
      start(2);
      const { version } = await set.read();
      const changed = await set.write({ hosts: 5, version, epoch: 12 });
      assert.equal(changed?.hosts, 5);
      assert.notEqual(changed?.version, version);
      assert.deepEqual(await set.read(), changed);
      assert.deepEqual(state(), [5, 12]);
    });

    test('is not changed for an earlier version', async () => {
      const { set, start } = open();
      start(2);
      const { version } = await set.read();
      await set.write({ hosts: 5, version, epoch: 1 });
      assert.equal(await set.write({ hosts: 1, version, epoch: 2 }), null);
      assert.equal((await set.read()).hosts, 5);
    });
  });
}

describe('what goes wrong with Kubernetes', () => {
  afterEach(() => {
    server.instead = () => false;
    for (const verb of ['get', 'patch']) server.verbs.add(verb);
  });
  const set = (name = 'gpu', place = kubernetesPlace(server.environment, server.folder)): KubernetesSet => new KubernetesSet(place, name);

  test('says what is missing if the role lacks a right, and that nothing was changed', async () => {
    server.set('gpu', 1);
    server.verbs.delete('patch');
    const { version } = await set().read();
    await assert.rejects(set().write({ hosts: 2, version, epoch: 1 }), {
      code: 'forbidden',
      message:
        /^Kubernetes answered 403 to a change of the number of hosts of the StatefulSet gpu: .* cannot patch .*\. Its service account needs get and patch of statefulsets\/scale$/,
    });
  });

  test('says that there is no such set', async () => {
    await assert.rejects(set('none').read(), { code: 'forbidden', message: /answered 404 .*: statefulsets\.apps "none" not found/ });
  });

  test('does not follow a token that is not that of the service account', async () => {
    const other = mkdtempSync(join(tmpdir(), 'penstock-token-'));
    for (const name of ['ca.crt', 'namespace']) writeFileSync(join(other, name), readFileSync(join(server.folder, name)));
    const place = kubernetesPlace(server.environment, other);
    await assert.rejects(set('gpu', place).read(), { code: 'unavailable', message: /credentials .* cannot be read: .*token/ });
    writeFileSync(join(other, 'token'), 'wrong');
    await assert.rejects(set('gpu', place).read(), { code: 'forbidden', message: /answered 401/ });
    // Another authority: the server is not the one of the cluster.
    const impostor = await KubernetesServer.start();
    await assert.rejects(set('gpu', kubernetesPlace(impostor.environment, server.folder)).read(), {
      code: 'unavailable',
      message: /certificate/,
    });
    assert.deepEqual(impostor.log, [], 'the token was not sent');
    await impostor.close();
    rmSync(other, { recursive: true });
  });

  for (const { when, status = 200, body, says } of [
    { when: 'no JSON', body: '<html>', says: /answered 200 without a JSON object: <html>/ },
    { when: 'a list', body: '[]', says: /without a JSON object/ },
    { when: 'an error without a reason', status: 500, body: '{}', says: /^Kubernetes answered 500 to a look at the number of hosts/ },
    { when: 'no version', body: '{"spec":{"replicas":1}}', says: /with other members than/ },
    { when: 'a negative number', body: '{"metadata":{"resourceVersion":"1"},"spec":{"replicas":-1}}', says: /with other members than/ },
    { when: 'a number beyond all hosts', body: '{"metadata":{"resourceVersion":"1"},"spec":{"replicas":1e9}}', says: /with other members/ },
    { when: 'text for a number', body: '{"metadata":{"resourceVersion":"1"},"spec":{"replicas":"3"}}', says: /with other members/ },
    { when: 'a body without an end', body: 'x'.repeat(300_000), says: /the response has more than 262144 bytes/ },
  ]) {
    test(`a response with ${when} is an error`, async () => {
      server.instead = (response) => {
        response.writeHead(status).end(body);
        return true;
      };
      await assert.rejects(set().read(), { code: 'unavailable', message: says });
    });
  }

  test('a connection that breaks is an error', async () => {
    server.instead = (response) => {
      response.destroy();
      return true;
    };
    await assert.rejects(set().read(), { code: 'unavailable', message: /^the API server of Kubernetes does not answer: / });
  });

  test('needs the variables of a pod', () => {
    for (const env of [{}, { KUBERNETES_SERVICE_HOST: 'a' }, { KUBERNETES_SERVICE_HOST: 'a', KUBERNETES_SERVICE_PORT: 'x' }])
      assert.throws(() => kubernetesPlace(env, '/'), { code: 'invalid_request', message: /add --scale-hosts-exec PROGRAM/ });
  });
});

describe('what goes wrong with a program', () => {
  const run = (text: string): ProgramSet => {
    const file = join(folder, 'broken');
    writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return new ProgramSet(new SystemClock(), file, 'gpu', { ...process.env, PENSTOCK_WEBHOOK_SECRET: 'hush', CLOUD: 'b' });
  };

  for (const { when, text, says } of [
    { when: 'ends with an error', text: 'echo no quota >&2; exit 1', says: /broken read gpu ended with 1: no quota$/ },
    { when: 'prints nothing', text: 'exit 0', says: /expected {"hosts": N, "version": "V"}, got nothing$/ },
    { when: 'prints something else', text: 'echo 3', says: /, got 3$/ },
    { when: 'prints without end', text: 'yes', says: /printed more than 65536 bytes$/ },
    { when: 'is killed', text: 'kill -9 $$', says: /ended by SIGKILL$/ },
  ]) {
    test(`that ${when} is an error`, async () => {
      await assert.rejects(run(text).read(), { code: 'unavailable', message: says });
    });
  }

  test('that does not exist is an error', async () => {
    await assert.rejects(new ProgramSet(new SystemClock(), join(folder, 'none'), 'gpu', {}).read(), {
      code: 'unavailable',
      message: /ENOENT/,
    });
  });

  test('gets no settings of Penstock, which can be secret', async () => {
    const shown = run(`echo '{"hosts":'$(env | grep -c PENSTOCK_)',"version":"'$CLOUD'"}'`);
    assert.deepEqual(await shown.read(), { hosts: 0, version: 'b' });
  });
});

test('hosts of a set are those with its name and a number', () => {
  const found = ['h-0', 'h-12', 'h-01', 'h-', 'h', 'h-x', 'hh-1', 'h-1-2', 'h-9999999'].map((name) => ordinalOf('h', name));
  assert.deepEqual(found, [0, 12, null, null, null, null, null, null, null]);
  assert.equal(ordinalOf('a-b', 'a-b-3'), 3);
});
