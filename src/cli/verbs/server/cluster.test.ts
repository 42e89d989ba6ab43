/** `penstock cluster status`, `hosts`, `drain`, `cordon` and `uncordon`, against a scripted server. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Ran, runAgainst } from '../../../../test/cli-fixture.ts';
import type { ClusterBody, HostBody, HostDetailBody } from '../../../api/index.ts';

const at = '2026-11-30T10:00:00.000Z';
const host: HostBody = {
  name: 'h1',
  zone: 'a',
  state: 'ready',
  since: at,
  vcpu: 16,
  vcpu_used: 6.5,
  memory_mib: 65_536,
  memory_used_mib: 20_480,
  accelerators: {},
  warm_workers: 1,
  is_home: false,
  ends_at: null,
  link: 'linked',
  silent_ms: 20,
  lag_ms: 1.2,
  clock_offset_ms: 20,
  address: '10.0.1.11',
  version: '0.1.0',
  worker_count: 5,
  task_count: 0,
};
const decided = {
  kind: 'host-set',
  endpoint: null,
  variant: null,
  at,
  trigger: 'period',
  changes: true,
  effect: null,
  effect_unknown: '',
} as const;
const inputs = { set: 'gpu', hosts: 2, min: 1, max: 10, wanted: { hosts: 3, reason: 'because' }, others: 0, surplus_s: 0 };
const grown = { action: 'scale', hosts: 3, host: null } as const;
const drained = { action: 'drain', hosts: 3, host: 'gpu-2' } as const;
const decisions: NonNullable<ClusterBody['scaling']>['decisions'] = [
  {
    ...decided,
    id: '3',
    inputs,
    alternatives: [],
    chosen: grown,
    reason: '3 hosts wanted: because',
    explanation: 'gpu grows from 2 to 3 hosts',
  },
  { ...decided, id: '2', inputs, alternatives: [], chosen: drained, reason: 'gpu-2 is the highest', explanation: 'gpu-2 is drained' },
];
const standby = { state: 'stands by' as const, version: '0.1.0', joined_at: at, lease_ms: 2650, clock_offset_ms: 0 };
const cluster: ClusterBody = {
  nodes: [
    { name: 'a', state: 'serves', version: '0.1.0', joined_at: at, lease_ms: 2800, clock_offset_ms: 12, link: null },
    { ...standby, name: 'b', clock_offset_ms: -3000, link: { lag_ms: 0.8, via: null } },
    { ...standby, name: 'c', link: { lag_ms: 2.1, via: 'b' } },
    { ...standby, name: 'd', link: null },
  ],
  hosts: [
    { ...host, accelerators: { 'local.gpu': { workers: 1, workers_max: 2 } }, task_count: 2 },
    {
      ...host,
      name: 'h2',
      state: 'lost',
      link: 'lost',
      silent_ms: 64_000,
      lag_ms: null,
      clock_offset_ms: null,
      address: null,
      worker_count: 0,
      warm_workers: 0,
    },
  ],
  moving: [{ worker: 'digits.a.1.0', endpoint: 'digits', cause: 'host-draining', from: 'h1', to: 'h3', since: at }],
  pending: [
    {
      worker: 'resnet.a.1.0',
      endpoint: 'resnet',
      host: null,
      reason: 'no ready host has 16 vCPU and 64 GiB free: h1 has 9.5 of 16 vCPU',
      since: at,
    },
  ],
  recent: [
    {
      id: '1',
      at,
      endpoint: 'digits',
      job: null,
      trigger: 'start',
      worker: 'digits.a.1.1',
      from: null,
      to: 'h1',
      reason: 'h1 has 8 of 16 vCPU free',
      explanation: '',
    },
  ],
  wanted: { hosts: 4, packed: 2, spare: 2, too_large: 0, reason: 'because' },
  scaling: {
    set: 'gpu',
    wanted: 4,
    hosts: 3,
    linked: 2,
    min: 1,
    max: 10,
    draining: null,
    reason: '4 hosts wanted: because',
    problem: 'no answer',
    decisions,
  },
  as_of: at,
  database_away_since: null,
  notes: ['the clock of node b is 3.0 s behind'],
};

const worker = (id: string): HostDetailBody['workers'][number] => ({
  id,
  endpoint: 'digits',
  variant: 'a',
  model: 'digits/1',
  kind: 'instance',
  instance_type: 'local.2',
  state: 'ready',
  vcpu: 2,
  memory_mib: 4096,
  started_at: at,
});

function detail(ids: readonly string[], changes: Partial<HostDetailBody> = {}): HostDetailBody {
  return { ...host, state: 'draining', worker_count: ids.length, workers: ids.map(worker), tasks: [], blocked: [], ...changes };
}

/** Answers each call with the next of these; records the calls. */
function script(...answers: readonly HostDetailBody[]): { readonly calls: string[]; readonly answer: RequestListener } {
  const calls: string[] = [];
  const answer: RequestListener = ({ method, url }, response) => {
    calls.push(`${method} ${url}`);
    response.end(JSON.stringify(answers[Math.min(calls.length, answers.length) - 1]));
  };
  return { calls, answer };
}

const show = (argv: readonly string[]): Promise<Ran> => runAgainst((_, response) => response.end(JSON.stringify(cluster)), argv);

describe('the status of a cluster', () => {
  test('has aligned tables of nodes, hosts, moves and what has no host', async () => {
    const { code, stdout } = await show(['cluster', 'status']);
    assert.equal(code, 0);
    assert.equal(
      stdout,
      `NODE  STATE      LEASE       CLOCK       LINK            VERSION  JOINED (UTC)
a     serves     2.8 s left  right                       0.1.0    2026-11-30 10:00:00
b     stands by  2.7 s left  3 s behind  linked, 0.8 ms  0.1.0    2026-11-30 10:00:00
c     stands by  2.7 s left  right       over b, 2.1 ms  0.1.0    2026-11-30 10:00:00
d     stands by  2.7 s left  right       not linked      0.1.0    2026-11-30 10:00:00

HOST  ZONE  STATE    VCPU           MEMORY  DEVICES        WORKERS  WARM  TASKS  LINK            CLOCK  ADDRESS    VERSION
h1    a     ready  6.5/16  20480/65536 MiB  local.gpu 1/2        5     1      2  linked, 1.2 ms  right  10.0.1.11  0.1.0
h2    a     lost   6.5/16  20480/65536 MiB                       0               lost for 64 s                     0.1.0

MOVING        FROM  TO  WHY        SINCE (UTC)
digits.a.1.0  h1    h3  h1 drains  2026-11-30 10:00:00

WAITS FOR ROOM  SINCE (UTC)          WHY
resnet.a.1.0    2026-11-30 10:00:00  no ready host has 16 vCPU and 64 GiB free: h1 has 9.5 of 16 vCPU

PLACED (UTC)         WORKER        HOST  WHY
2026-11-30 10:00:00  digits.a.1.1  h1    h1 has 8 of 16 vCPU free

hosts wanted: 4 (because)

SET  WANTED  HOSTS  LINKED  LIMITS   WHY
gpu       4      3       2  1 to 10  4 hosts wanted: because
note: gpu is not scaled: no answer

SCALED (UTC)         CHANGE        WHY
2026-11-30 10:00:00  2 to 3 hosts  3 hosts wanted: because
2026-11-30 10:00:00  gpu-2 drains  gpu-2 is the highest

note: the clock of node b is 3.0 s behind
`,
    );
  });

  test('says how long a host that stops has left, and shows no lease that may be old', async () => {
    const stopping = { ...host, state: 'draining' as const, ends_at: '2026-11-30T10:00:40.000Z' };
    const away = { ...cluster, hosts: [stopping], database_away_since: at };
    const { stdout } = await runAgainst((_, response) => response.end(JSON.stringify(away)), ['cluster', 'status']);
    assert.match(stdout, /^h1 +a +draining, ends 10:00:40 /m);
    assert.match(stdout, /^a +serves +not known +right/m);
  });

  test('has decisions that penstock decisions lists as well', async () => {
    const answer: RequestListener = ({ url = '' }, response) =>
      response.end(JSON.stringify({ items: url.includes('/decisions') ? decisions : [], next: null }));
    const { code, stdout } = await runAgainst(answer, ['decisions']);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^WHEN \(UTC\) +SET +WANTED +CHANGE +WHY\n.* gpu +3 +gpu-2 drains +gpu-2 is drained\n.* gpu +3 +2 to 3 hosts +gpu grows from 2 to 3 hosts$/m,
    );
  });

  test('is the body of the API as JSON', async () => {
    assert.deepEqual(JSON.parse((await show(['cluster', 'status', '--output', 'json'])).stdout), cluster);
    assert.deepEqual(JSON.parse((await show(['cluster', 'hosts', '--output', 'json'])).stdout), cluster.hosts);
  });

  test('fails if the server is alone, and says what it was started without', async () => {
    const alone = { ...cluster, nodes: [] };
    for (const verb of ['status', 'hosts']) {
      const { code, stderr } = await runAgainst((_, response) => response.end(JSON.stringify(alone)), ['cluster', verb]);
      assert.equal(code, 1);
      assert.match(stderr, /is not a node of a cluster: it was started without --node/);
    }
  });
});

describe('a drain', () => {
  test('waits until the host has no workers, and shows what is left', async () => {
    const blocked = [{ worker: 'w2', endpoint: 'digits', host: 'h1', reason: 'no room', since: at }];
    const { calls, answer } = script(detail(['w1', 'w2']), detail(['w2'], { blocked }), detail([]));
    const { code, stdout, stderr } = await runAgainst(answer, ['cluster', 'drain', 'h1']);
    assert.equal(code, 0);
    assert.deepEqual(calls, ['POST /api/v1/cluster/hosts/h1/drain', 'GET /api/v1/cluster/hosts/h1', 'GET /api/v1/cluster/hosts/h1']);
    assert.match(stderr, /2 workers left on h1: w1, w2\n.*1 worker left on h1: w2; w2 waits: no room\n.*h1 has no workers and no tasks/s);
    assert.equal(stdout, 'h1 is draining, with 0 workers\n');
  });

  test('waits for the tasks of jobs, too', async () => {
    const task = { kind: 'training', job: 'digits-7', attempt: 1, state: 'running', vcpu: 2, memory_mib: 4096 } as const;
    const { answer } = script(detail(['w1'], { tasks: [task] }), detail([], { tasks: [task] }), detail([]));
    const { code, stdout, stderr } = await runAgainst(answer, ['cluster', 'drain', 'h1']);
    assert.equal(code, 0);
    assert.match(stderr, /1 worker and 1 task left on h1: w1, digits-7\n.*0 workers and 1 task left on h1: digits-7\n/s);
    assert.equal(stdout, 'h1 is draining, with 0 workers\n');
  });

  test('goes on if the verb is interrupted', async () => {
    const interruption = new AbortController();
    const { answer } = script(detail(['w1']));
    const listener: RequestListener = (request, response) => {
      answer(request, response);
      if (request.method === 'GET') setImmediate(() => interruption.abort());
    };
    const { code, stderr } = await runAgainst(listener, ['cluster', 'drain', 'h1'], interruption.signal);
    assert.notEqual(code, 0);
    assert.match(stderr, /1 worker left on h1: w1\n.*h1 keeps draining: stop that with `penstock cluster uncordon h1`/s);
  });

  test('fails with the reason if workers are left after --within', async () => {
    const blocked = [{ worker: 'w1', endpoint: 'digits', host: 'h1', reason: 'no room', since: at }];
    const { answer } = script(detail(['w1'], { blocked }));
    const { code, stdout, stderr } = await runAgainst(answer, ['cluster', 'drain', 'h1', '--within', '1ms']);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /1 worker left on h1: w1; w1 waits: no room; h1 keeps draining: stop that with/);
  });

  test('ends if the host is uncordoned meanwhile', async () => {
    const { answer } = script(detail(['w1']), detail(['w1'], { state: 'ready' }));
    const { code, stderr } = await runAgainst(answer, ['cluster', 'drain', 'h1']);
    assert.equal(code, 1);
    assert.match(stderr, /h1 does not drain any more: it is ready/);
  });

  test('returns at once with --no-wait', async () => {
    const { calls, answer } = script(detail(['w1', 'w2']));
    const { stdout } = await runAgainst(answer, ['cluster', 'drain', 'h1', '--no-wait']);
    assert.equal(calls.length, 1);
    assert.equal(stdout, 'h1 is draining, with 2 workers\n');
  });
});

describe('a drain of the own process', () => {
  const nothingSent = (): never => assert.fail('nothing is sent');
  /** Holds a data directory, and releases it at its second SIGTERM. */
  const held = `
    const { openDataDirectory } = await import(process.argv[1]);
    const directory = await openDataDirectory(process.argv[2]);
    let signals = 0;
    process.on('SIGTERM', () => { if (++signals === 2) directory.release(); if (signals === 2) process.exit(); });
    setInterval(() => undefined, 1000);
    process.stdout.write('held');`;

  test('ends the one that uses the data directory, and waits for it', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'penstock-drain-'));
    const module = new URL('../../../data-directory/index.ts', import.meta.url).href;
    const child = spawn(process.execPath, ['--input-type=module', '-e', held, module, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(child.stdout, 'data');
      const late = await runAgainst(nothingSent, ['cluster', 'drain', '--self', '--data-dir', dir, '--within', '50ms']);
      assert.equal(late.code, 1);
      assert.match(late.stderr, new RegExp(`process ${child.pid} has not ended yet; it keeps draining`));
      const { code, stdout } = await runAgainst(nothingSent, ['cluster', 'drain', '--self', '--data-dir', dir]);
      assert.deepEqual([code, stdout], [0, `process ${child.pid} has ended\n`]);
      const none = await runAgainst(nothingSent, ['cluster', 'drain', '--self', '--data-dir', dir]);
      assert.equal(none.code, 1);
      assert.match(none.stderr, /no process uses .*: pass the --data-dir of the node or host/);
    } finally {
      child.kill('SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    }
  });

  for (const argv of [[], ['h1', '--self']]) {
    test(`is not meant by \`drain ${argv.join(' ')}\``, async () => {
      const { code, stderr } = await runAgainst(nothingSent, ['cluster', 'drain', ...argv]);
      assert.notEqual(code, 0);
      assert.match(stderr, /expected the name of a host, or --self, and not both/);
    });
  }
});

for (const verb of ['cordon', 'uncordon']) {
  test(`${verb} changes the host and shows its workers`, async () => {
    const { calls, answer } = script(detail(['w1'], { state: verb === 'cordon' ? 'cordoned' : 'ready' }));
    const { code, stdout } = await runAgainst(answer, ['cluster', verb, 'h 1']);
    assert.equal(code, 0);
    assert.deepEqual(calls, [`POST /api/v1/cluster/hosts/h%201/${verb}`]);
    assert.match(stdout, /^h1 is (?:ready|cordoned), with 1 worker\n\nHOST +ZONE[^]*\nWORKER +MODEL/);
  });
}

test('a host is shown with its workers and tasks, and with what keeps workers on it', async () => {
  const blocked = [{ worker: 'w1', endpoint: 'digits', host: 'h1', reason: 'no room', since: at }];
  const tasks = [{ kind: 'processing', job: 'clean', attempt: 2, state: 'running', vcpu: 1, memory_mib: 512 } as const];
  const { calls, answer } = script(detail(['w1'], { blocked, tasks, task_count: 1 }));
  const { code, stdout } = await runAgainst(answer, ['cluster', 'hosts', 'h1']);
  assert.equal(code, 0);
  assert.deepEqual(calls, ['GET /api/v1/cluster/hosts/h1']);
  assert.match(
    stdout,
    /^HOST .*\nh1 .*\n\nWORKER .*\nw1 .*\n\nJOB +KIND +ATTEMPT .*\nclean +processing +2 +running .*\n\nnote: w1 cannot leave: no room\n$/,
  );
});

describe('a removal', () => {
  const hosts = [host, { ...host, name: 'a', is_home: true }, { ...host, name: 'b' }];
  for (const { argv, path } of [
    { argv: ['h1'], path: 'hosts/h1' },
    { argv: ['a'], path: 'nodes/a' },
    { argv: ['b', '--node'], path: 'nodes/b' },
    { argv: ['b', '--host'], path: 'hosts/b' },
    { argv: ['unknown'], path: 'hosts/unknown' },
  ]) {
    test(`of ${argv.join(' ')} is one of ${path}`, async () => {
      const deleted: string[] = [];
      const answer: RequestListener = ({ method, url }, response) => {
        if (method === 'DELETE') deleted.push(url ?? '');
        response.end(method === 'DELETE' ? undefined : JSON.stringify({ ...cluster, hosts }));
      };
      assert.equal((await runAgainst(answer, ['cluster', 'remove', ...argv])).code, 0);
      assert.deepEqual(deleted, [`/api/v1/cluster/${path}`]);
    });
  }

  test('names nothing by accident: a name that a node and a host have needs one more word', async () => {
    const answer: RequestListener = ({ method }, response) => {
      assert.equal(method, 'GET');
      response.end(JSON.stringify({ ...cluster, hosts }));
    };
    const { code, stderr } = await runAgainst(answer, ['cluster', 'remove', 'b']);
    assert.equal(code, 1);
    assert.match(stderr, /a node and a host are named b: add --node or --host/);
  });
});

describe('a join token', () => {
  for (const ttl of ['30d', 'soon', '5s']) {
    test(`is not asked for with --ttl ${ttl}: the bounds are named`, async () => {
      const { code, stderr } = await runAgainst(() => assert.fail('nothing is sent'), ['cluster', 'token', 'create', '--ttl', ttl]);
      assert.equal(code, 2);
      assert.match(stderr, new RegExp(`--ttl.*expected a time such as 30m, 12h or 2d, from 1m to 7d, got '${ttl}'`));
    });
  }

  test('is not asked for a host whose name is none', async () => {
    const { code, stderr } = await runAgainst(() => assert.fail('nothing is sent'), ['cluster', 'token', 'create', '--name', 'bad name']);
    assert.equal(code, 2);
    assert.match(stderr, /--name.*expected letters, digits and hyphens, at most 63, got 'bad name'/);
  });

  test('is not created by a verb with a typing error, which gets the whole command as a suggestion', async () => {
    const { code, stderr } = await runAgainst(() => assert.fail('nothing is sent'), ['cluster', 'token', 'craete']);
    assert.equal(code, 2);
    assert.match(stderr, /unknown verb 'craete': did you mean `penstock cluster token create`\? .*see penstock cluster token --help/);
  });

  test('is said to be missing if there is none', async () => {
    const empty: RequestListener = (_, response) => response.end(JSON.stringify({ items: [], next: null }));
    const { code, stderr } = await runAgainst(empty, ['cluster', 'token', 'list']);
    assert.equal(code, 0);
    assert.match(stderr, /no token can be used: create one with `penstock cluster token create`/);
  });

  for (const uses of ['0', '1001', 'many']) {
    test(`is not asked for with --uses ${uses}: the bounds are named`, async () => {
      const { code, stderr } = await runAgainst(() => assert.fail('nothing is sent'), ['cluster', 'token', 'create', '--uses', uses]);
      assert.equal(code, 2);
      assert.match(stderr, new RegExp(`--uses.*expected a whole number from 1 to 1000, got '${uses}'`));
    });
  }
});
