/**
 * The page of a cluster. The server of the test is alone; the answers of its API are replaced by those of a cluster with hosts, in the
 * shapes that the API declares.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ClusterBody, HostBody, HostDetailBody, StatusBody } from '../../src/api/index.ts';
import { type BrowserView, Console, noBrowser } from './browser.ts';

const at = (agoS: number): string => new Date(Date.now() - 1000 * agoS).toISOString();

const host = (name: string, zone: string, changes: Partial<HostBody> = {}): HostBody => ({
  name,
  zone,
  state: 'ready',
  since: at(7200),
  vcpu: 16,
  vcpu_used: 6.5,
  memory_mib: 65_536,
  memory_used_mib: 20_480,
  accelerators: {},
  warm_workers: 1,
  is_home: false,
  ends_at: null,
  link: 'linked',
  silent_ms: 120,
  lag_ms: 1.2,
  clock_offset_ms: 14,
  address: '10.0.1.11',
  version: '0.1.0',
  worker_count: 5,
  task_count: 0,
  ...changes,
});

const devices = { 'local.gpu': { workers: 1, workers_max: 2 } };

function clusterBody(): ClusterBody {
  const node = { version: '0.1.0', joined_at: at(86_400), clock_offset_ms: 12 };
  const reason =
    '0 of 1 placed: no ready host has 16 vCPU and 64 GiB free: h2 has 9.5 of 16 vCPU and 44 of 64 GiB, h3 has 15 of 16 vCPU and 62 of 64 GiB, h1 drains, h4 is lost';
  const placed = (id: string, worker: string, from: string | null, to: string, trigger: string): ClusterBody['recent'][number] => ({
    id,
    at: at(40),
    endpoint: 'digits',
    job: null,
    trigger,
    worker,
    from,
    to,
    reason: `${from === null ? '' : `${from} drains; `}${to} has 9.5 of 16 vCPU and 44 of 64 GiB free, and its zone b has none of the 2 other instances; it has the model already; there is room on h3, too`,
    explanation: '',
  });
  const task = {
    ...placed('3', 'attempt 2 of digits-7', null, 'h1', 'start'),
    endpoint: null,
    job: { kind: 'training', job: 'digits-7', attempt: 2 } as const,
    reason: 'h1 has 9.5 of 16 vCPU and 44 of 64 GiB free, and hosts are filled one after the other; no other host has room',
  };
  return {
    nodes: [
      { ...node, name: 'a', state: 'serves', lease_ms: 2800, link: null },
      { ...node, name: 'b', state: 'stands by', lease_ms: 2650, clock_offset_ms: 61_000, link: { lag_ms: 0.8, via: null } },
      { ...node, name: 'c', state: 'dead', lease_ms: -900_000, link: null },
      { ...node, name: 'd', state: 'stands by', lease_ms: 2700, link: { lag_ms: 2.3, via: 'b' } },
    ],
    hosts: [
      host('h1', 'a', { state: 'draining', worker_count: 2, task_count: 1, accelerators: devices }),
      host('h2', 'b'),
      host('h3', 'c', { address: '10.0.3.11', vcpu_used: 1, worker_count: 1 }),
      host('h4', 'a', {
        state: 'lost',
        link: 'lost',
        silent_ms: 64_000,
        lag_ms: null,
        clock_offset_ms: null,
        address: null,
        worker_count: 0,
        vcpu_used: 0,
        memory_used_mib: 0,
      }),
    ],
    moving: [{ worker: 'digits.alltraffic.3.0', endpoint: 'digits', cause: 'host-draining', from: 'h1', to: 'h2', since: at(3) }],
    pending: [{ worker: 'resnet.alltraffic.1.0', endpoint: 'resnet', host: null, reason, since: at(300) }],
    recent: [
      placed('1', 'digits.alltraffic.3.0', 'h1', 'h2', 'host-draining'),
      placed('2', 'digits.alltraffic.3.1', null, 'h3', 'start'),
      task,
    ],
    scaling: hostSet(),
    wanted: {
      hosts: 5,
      packed: 2,
      spare: 3,
      too_large: 0,
      reason: '9 workers fill 2 hosts of 16 vCPU and 65536 MiB, and each of 3 zones has one to spare',
    },
    as_of: at(0),
    database_away_since: null,
    notes: ['the clock of node b is 61.0 s ahead of that of the database: set it, for example with NTP'],
  };
}

function hostSet(): NonNullable<ClusterBody['scaling']> {
  const decided = {
    kind: 'host-set',
    endpoint: null,
    variant: null,
    trigger: 'period',
    changes: true,
    effect: null,
    effect_unknown: '',
  } as const;
  const inputs = { set: 'gpu', hosts: 3, min: 1, max: 4, wanted: { hosts: 5, reason: 'because' }, others: 0, surplus_s: 0 };
  const reason = '5 hosts wanted, of at most 4: 9 workers fill 4 hosts of 16 vCPU and 65536 MiB, and one is to spare';
  const draining = { ...inputs, wanted: { hosts: 2, reason: 'because' }, surplus_s: 600 };
  const drained = { action: 'drain', hosts: 3, host: 'gpu-2' } as const;
  return {
    set: 'gpu',
    wanted: 4,
    hosts: 4,
    linked: 3,
    min: 1,
    max: 4,
    draining: null,
    reason,
    problem: 'Kubernetes answered 403 to a change of the number of hosts of the StatefulSet gpu: it cannot patch',
    decisions: [
      {
        ...decided,
        id: 'd2',
        at: at(50),
        inputs,
        reason,
        explanation: `gpu grows from 3 to 4 hosts: ${reason}`,
        chosen: { action: 'scale', hosts: 4, host: null },
        alternatives: [
          { hosts: 3, text: '1 fewer, as before' },
          { hosts: 5, text: 'more than the limit of 4' },
        ],
      },
      {
        ...decided,
        id: 'd1',
        at: at(900),
        inputs: draining,
        chosen: drained,
        alternatives: [],
        reason: 'gpu-2 is the highest',
        explanation: '',
      },
    ],
  };
}

function hostDetail(): HostDetailBody {
  const worker = (id: string, state: 'ready' | 'starting'): HostDetailBody['workers'][number] => ({
    id,
    endpoint: 'digits',
    variant: 'AllTraffic',
    model: 'digits/3',
    kind: 'instance',
    instance_type: 'local.2',
    state,
    vcpu: 2,
    memory_mib: 4096,
    started_at: at(4000),
  });
  const workers = [worker('digits.alltraffic.3.0', 'ready'), worker('digits.alltraffic.3.2', 'ready')];
  const tasks = [{ kind: 'training', job: 'digits-7', attempt: 2, state: 'running', vcpu: 2, memory_mib: 4096 } as const];
  const blocked = [
    {
      worker: 'digits.alltraffic.3.2',
      endpoint: 'digits',
      host: 'h1',
      reason: 'no ready host has 2 vCPU and 4 GiB free: h2 has 1 of 16 vCPU and 44 of 64 GiB, h4 is lost',
      since: at(9),
    },
  ];
  return {
    ...host('h1', 'a', { state: 'draining', worker_count: workers.length, task_count: 1, accelerators: devices }),
    workers,
    tasks,
    blocked,
  };
}

function lostHost(): HostDetailBody {
  const lost = clusterBody().hosts.find(({ name }) => name === 'h4');
  assert(lost !== undefined);
  return { ...lost, workers: [], tasks: [], blocked: [] };
}

describe('the page of a cluster', { skip: noBrowser }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
  });
  after(() => made?.end());

  /** What the page called to change a host. */
  async function openCluster(options: Parameters<Console['open']>[1], place = '/cluster'): Promise<{ view: BrowserView; calls: string[] }> {
    const view = await made.open('/costs', options);
    const calls: string[] = [];
    await view.page.route('**/api/v1/status', async (route) => {
      const body = (await (await route.fetch()).json()) as StatusBody;
      await route.fulfill({ json: { ...body, cluster: true, lost_hosts: 1, waiting_workers: 1 } });
    });
    await view.page.route('**/api/v1/cluster', (route) => route.fulfill({ json: clusterBody() }));
    await view.page.route('**/api/v1/cluster/hosts/**', (route) => {
      const { method, url } = { method: route.request().method(), url: new URL(route.request().url()) };
      if (method === 'POST') calls.push(url.pathname);
      return route.fulfill({ json: url.pathname.endsWith('/h4') ? lostHost() : hostDetail() });
    });
    await view.page.route('**/api/v1/cluster/{nodes,hosts}/*', (route) => {
      if (route.request().method() !== 'DELETE') return route.fallback();
      calls.push(`DELETE ${new URL(route.request().url()).pathname}`);
      return route.fulfill({ status: 204 });
    });
    await view.goTo(place);
    return { view, calls };
  }

  for (const scheme of ['light', 'dark'] as const) {
    test(`shows nodes, hosts, workers and what moved, ${scheme}`, async () => {
      const { view, calls } = await openCluster({ scheme });
      const { page } = view;
      await page.getByRole('complementary', { name: 'Sidebar' }).getByRole('link', { name: 'Cluster' }).waitFor();
      await page.getByText('The clock of node b is 61.0 s ahead').waitFor();
      await page.getByRole('complementary', { name: 'Sidebar' }).getByText('1 worker without room').waitFor();
      await page.getByText('Over b, 2.3 ms').waitFor();
      await page.getByRole('button', { name: 'h1' }).click();
      await page.getByRole('heading', { name: 'Workers on h1' }).waitFor();
      await page.getByText('digits.alltraffic.3.2 cannot leave.').waitFor();
      await page.getByText('1 warm worker without a model. Devices: local.gpu 1 of 2.').waitFor();
      assert.equal(await page.getByRole('link', { name: 'digits-7' }).first().getAttribute('href'), '/training/digits-7');
      await page.getByRole('heading', { name: 'Hosts of gpu' }).waitFor();
      await page.getByText('gpu is not scaled.').waitFor();
      await page.getByText('3 → 4 hosts').waitFor();
      await page.getByText('Not 5 hosts: more than the limit of 4.').waitFor();
      await page.getByText('gpu-2 drains').waitFor();
      await view.assertAccessible();
      await view.assertNoSidewaysScroll();
      await view.screenshot(`cluster-${scheme}`);
      await page.getByRole('button', { name: 'Uncordon' }).click();
      await page.getByRole('heading', { name: 'Workers on h1' }).waitFor();
      assert.deepEqual(calls, ['/api/v1/cluster/hosts/h1/uncordon']);
      view.assertQuiet();
    });

    test(`fits a screen of 390 px, ${scheme}`, async () => {
      const { view } = await openCluster({ scheme, width: 390, height: 844 }, '/cluster?host=h1');
      await view.page.getByRole('heading', { name: 'Workers on h1' }).waitFor();
      await view.assertAccessible();
      await view.assertNoSidewaysScroll();
      await view.screenshot(`cluster-${scheme}-narrow`);
      view.assertQuiet();
    });
  }

  test('removes a dead node and a lost host, after a question', async () => {
    const { view, calls } = await openCluster({ width: 1400 }, '/cluster?host=h4');
    const { page } = view;
    await page.getByRole('button', { name: 'Remove node c' }).click();
    assert.equal(await page.getByRole('button', { name: /^Remove node [ab]/, includeHidden: true }).count(), 0, 'only the dead node');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('its certificates are refused').waitFor();
    await view.assertAccessible();
    await dialog.getByRole('button', { name: 'Remove node' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Remove', exact: true }).click();
    await dialog.getByRole('button', { name: 'Remove host' }).click();
    await dialog.waitFor({ state: 'hidden' });
    assert.deepEqual(calls, ['DELETE /api/v1/cluster/nodes/c', 'DELETE /api/v1/cluster/hosts/h4']);
    view.assertQuiet();
  });

  test('says on a server that is alone how a cluster begins, and is not in the sidebar', async () => {
    const view = await made.open('/cluster');
    await view.page.getByText('This server is alone').waitFor();
    assert.equal(await view.page.getByRole('complementary', { name: 'Sidebar' }).getByRole('link', { name: 'Cluster' }).count(), 0);
    await view.assertAccessible();
    view.assertQuiet();
  });
});
