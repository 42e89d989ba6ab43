/** The chart renders valid objects, whose command lines the program accepts, and rejects wrong values. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { acceleratorTable } from '../../src/costs/index.ts';
import { chartFolder, containersOf, objectsIn, renderChart, renderedFile, renderedPath } from './chart.ts';
import { commandLineError } from './command-lines.ts';
import { kubectlPackage } from './kubectl-package.ts';
import { assertObjects, type KubernetesObject, objectErrors } from './kubernetes-objects.ts';

const run = promisify(execFile);
const tools = await kubectlPackage();
const { helm, kubectl } = typeof tools === 'string' ? { helm: '', kubectl: '' } : tools;
const skip = typeof tools === 'string' ? tools : false;

/** What Kubernetes and its secrets put in place of variables. */
const provided: Readonly<Record<string, string>> = {
  POD_NAME: 'penstock-node-0',
  POD_NAMESPACE: 'penstock',
  PENSTOCK_DATABASE_URL: 'postgres://penstock@db/penstock',
};

const accelerators = { 'ml.gpu': { devices: [0, 1], memoryMiB: 16_384, usdPerHour: 2.5, vcpu: 4 } };
const fullValues = {
  image: { repository: 'registry.internal:5000/ml/penstock', tag: '0.1.0-1', pullSecrets: ['registry'] },
  objects: { url: 's3://models/penstock?region=eu-1', secret: 'penstock-s3', cache: '50GiB' },
  tls: { mode: 'self-signed' },
  nodes: {
    replicas: 5,
    gateways: 4,
    cores: 2,
    localWorkers: 'never',
    drain: '60s',
    logLevel: 'warn',
    options: ['--timeout=30s', '--body-limit=128MiB'],
    storage: { size: '100Gi', className: 'fast' },
    seccomp: 'Unconfined',
    nodeSelector: { disk: 'fast' },
    tolerations: [{ key: 'ml', operator: 'Exists', effect: 'NoSchedule' }],
    annotations: { team: 'ml' },
  },
  hosts: {
    joinSecret: { name: 'join', key: 'token', managed: true },
    scaling: { pool: 'west', min: 2, max: 40 },
    pools: [
      { name: 'west', replicas: 8, cpus: 16, memoryMiB: 65_536, zone: 'west-1', nodeSelector: { zone: 'west' } },
      {
        name: 'spot',
        replicas: null,
        cpus: 4,
        memoryMiB: 8192,
        tolerations: [{ key: 'spot', operator: 'Exists' }],
        annotations: { a: 'b' },
      },
      { name: 'gpu', replicas: 1, cpus: 8, memoryMiB: 32_768, warmWorkers: 0, accelerators, devices: { 'nvidia.com/gpu': 2 } },
    ],
  },
  service: { type: 'LoadBalancer', annotations: { internal: 'true' } },
  serviceAccount: { annotations: { role: 'penstock' } },
  networkPolicy: { clients: [{ namespaceSelector: { matchLabels: { shop: 'true' } } }], nodePorts: [5432, 443, 9000] },
};

describe('the chart', { skip }, () => {
  const rendered = async (values: unknown): Promise<KubernetesObject[]> => {
    const folder = mkdtempSync(join(tmpdir(), 'penstock-chart-'));
    try {
      const path = join(folder, 'values.json');
      writeFileSync(path, JSON.stringify(values));
      return objectsIn(await renderChart(helm, ['--values', path]));
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  test('asks hosts where they listen whether they are linked, and ends none because nodes are away', async () => {
    const sets = (await rendered({})).filter(({ kind, metadata: { name } }) => kind === 'StatefulSet' && name.includes('-host-'));
    assert.equal(sets.length, 1);
    const text = JSON.stringify(sets[0]);
    const { httpGet: ready } = JSON.parse(/"readinessProbe":(\{.*?\}.*?\})/.exec(text)?.[1] ?? '{}') as { httpGet?: object };
    const { httpGet: live } = JSON.parse(/"livenessProbe":(\{.*?\}.*?\})/.exec(text)?.[1] ?? '{}') as { httpGet?: object };
    assert.deepEqual(
      [ready, live],
      ['ready', 'live'].map((path) => ({ path: `/v2/health/${path}`, port: 'health' })),
    );
    const port = /"--health=0\.0\.0\.0:(\d+)"/.exec(text)?.[1];
    assert.ok(text.includes(`{"name":"health","containerPort":${port}}`), text);
  });

  test('lets the nodes change the number of hosts of one pool and one secret, if they are to, and nothing else', async () => {
    const rulesOf = (objects: readonly KubernetesObject[]): unknown[] =>
      objects.flatMap((object) => (object.kind.endsWith('Role') ? (Reflect.get(object, 'rules') as unknown[]) : []));
    assert.deepEqual(rulesOf(await rendered({})), [], 'off by default');
    const objects = await rendered(fullValues);
    const verbs = ['get', 'patch'];
    const scale = { apiGroups: ['apps'], resources: ['statefulsets/scale'], resourceNames: ['penstock-host-west'], verbs };
    const secret = { apiGroups: [''], resources: ['secrets'], resourceNames: ['join'], verbs };
    assert.deepEqual(rulesOf(objects), [scale, secret]);
    assert.deepEqual(rulesOf(await rendered({ hosts: { scaling: { pool: 'default' } } })).length, 1);
    assert.equal(objects.filter(({ kind }) => kind.startsWith('ClusterRole')).length, 0);
    assert.equal(Reflect.get(objects.find(({ kind }) => kind === 'Secret') ?? {}, 'data'), undefined, 'no token is in the chart');
    const node = JSON.stringify(objects.find(({ kind, metadata: { name } }) => kind === 'StatefulSet' && name === 'penstock-node'));
    for (const arg of ['--scale-hosts=penstock-host-west', '--scale-hosts-range=2..40', '--host-size=16/65536MiB'])
      assert(node.includes(arg));
    assert.match(node, /"serviceAccountToken":\{"path":"token"/);
    assert.match(node, /"automountServiceAccountToken":false/);
    const west = objects.find(({ kind, metadata: { name } }) => kind === 'StatefulSet' && name === 'penstock-host-west');
    assert.match(JSON.stringify(west), /"replicas":2,/, 'the minimum, until the nodes change it');
  });

  test('gives hosts their devices, and nodes the prices of them', async () => {
    const objects = await rendered(fullValues);
    const containerOf = (name: string) => objects.filter(({ metadata }) => metadata.name === name).flatMap(containersOf)[0];
    const valueOf = (name: string): string | undefined =>
      containerOf(name)?.env.find((each) => each.name === 'PENSTOCK_ACCELERATORS')?.value;
    for (const name of ['penstock-node', 'penstock-host-gpu'])
      assert.deepEqual(acceleratorTable(JSON.parse(valueOf(name) ?? '')), acceleratorTable(accelerators), name);
    assert.equal(valueOf('penstock-host-spot'), undefined);
    assert(containerOf('penstock-host-gpu')?.args.includes('--warm-workers=0'));
    const { resources } = containerOf('penstock-host-gpu') as unknown as { resources: Record<string, unknown> };
    const size = { cpu: '8', memory: '33280Mi', 'nvidia.com/gpu': 2 };
    assert.deepEqual(resources, { requests: size, limits: size });
  });

  test('has no fault that helm lint finds', async () => {
    const { stdout } = await run(helm, ['lint', '--strict', chartFolder], { env: {} });
    assert.match(stdout, /0 chart\(s\) failed/);
  });

  for (const { when, render } of [
    { when: 'default values', render: () => rendered({}) },
    {
      when: 'the values for a trial',
      render: async () => objectsIn(await renderChart(helm, ['--values', join(chartFolder, 'values-demo.yaml')])),
    },
    { when: 'all values', render: () => rendered(fullValues) },
    { when: 'neither hosts nor network policies', render: () => rendered({ hosts: { pools: [] }, networkPolicy: { enabled: false } }) },
  ]) {
    test(`with ${when}, renders valid objects, and processes that start`, async () => {
      const objects = await render();
      assertObjects(objects);
      const containers = objects.flatMap(containersOf);
      assert(containers.length > 0);
      for (const { args, env } of containers) {
        for (const { name, value, valueFrom } of env) assert.notEqual(value === undefined, valueFrom === undefined, name);
        const variables = Object.fromEntries(env.map(({ name, value }) => [name, value ?? provided[name] ?? '']));
        assert.equal(await commandLineError(withVariables(args), variables), null, args.join(' '));
      }
    });
  }

  for (const { wrong, says } of [
    { wrong: { nodes: { replicas: 'three' } }, says: /nodes\.replicas: Invalid type\. Expected: integer, given: string/ },
    { wrong: { nodes: { replica: 3 } }, says: /nodes: Additional property replica is not allowed/ },
    { wrong: { nodes: { options: ['timeout=30s'] } }, says: /nodes\.options\.0: Does not match pattern/ },
    { wrong: { objects: { url: 'https://models' } }, says: /objects\.url: Does not match pattern '\^\(s3:/ },
    { wrong: { tls: { secret: '' } }, says: /tls\.secret: expected the name of a secret .* Set it, or tls\.mode to self-signed/ },
    { wrong: { hosts: { scaling: { pool: 'none' } } }, says: /hosts\.scaling\.pool: expected the name of one of hosts\.pools, got none/ },
    { wrong: { hosts: { scaling: { pool: 'default', min: 9, max: 2 } } }, says: /expected a min of at most max/ },
    {
      wrong: { nodes: { localWorkers: 'always' }, hosts: { pools: [{ name: 'a', cpus: 1, memoryMiB: 1024, accelerators }] } },
      says: /a has accelerators, which nodes have not: expected nodes\.localWorkers never, got always/,
    },
    { wrong: { hosts: { pools: [{ name: 'a', memoryMiB: 1024 }] } }, says: /hosts\.pools\.0: cpus is required/ },
    {
      wrong: { hosts: { pools: [1, 2].map(() => ({ name: 'a', cpus: 1, memoryMiB: 1024 })) } },
      says: /expected different names, got a twice/,
    },
  ]) {
    test(`rejects ${JSON.stringify(wrong)}`, async () => {
      await assert.rejects(rendered(wrong), says);
    });
  }

  test('is rendered in deploy/kubernetes: after a change, run `npm run render`', async () => {
    assert.equal(readFileSync(renderedPath, 'utf8'), await renderedFile(helm));
  });

  test('is a kustomize base', async () => {
    const { stdout } = await run(kubectl, ['kustomize', dirname(renderedPath)], { env: {} });
    const objects = objectsIn(stdout);
    assertObjects(objects);
    assert.equal(objects.length, objectsIn(readFileSync(renderedPath, 'utf8')).length);
  });
});

/** As Kubernetes does it. */
function withVariables(args: readonly string[]): string[] {
  return args.map((arg) => arg.replaceAll(/\$\((\w+)\)/g, (_, name: string) => provided[name] ?? `value-of-${name}`));
}

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'a' },
  spec: { selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a' }] } } },
};

for (const { when, spec, errors } of [
  { when: 'a valid object', spec: {}, errors: [] },
  { when: 'a wrong type', spec: { replicas: 'three' }, errors: ['/spec/replicas: type {"type":"integer"}'] },
  { when: 'a field that does not exist', spec: { replica: 3 }, errors: ['/spec/replica: no such field'] },
  {
    when: 'a field that does not exist, within a list',
    spec: { template: { spec: { containers: [{ name: 'a', arguments: [] }] } } },
    errors: ['/spec/template/spec/containers/0/arguments: no such field'],
  },
]) {
  test(`self-check: ${when} ${errors.length === 0 ? 'has no errors' : 'is found'}`, () => {
    assert.deepEqual(objectErrors({ ...deployment, spec: { ...deployment.spec, ...spec } } as KubernetesObject), errors);
  });
}

for (const { args, error } of [
  { args: ['up', '--port=1', '--data-dir', 'a'], error: null },
  { args: ['up', '--ports=1'], error: 'penstock up has no option --ports=1' },
  { args: ['up', '--port=70000'], error: '--port: expected a whole number from 0 to 65535, got "70000"' },
  { args: ['down'], error: 'penstock  has no verb down' },
  { args: ['keys', 'make'], error: 'penstock keys has no verb make' },
]) {
  test(`self-check: penstock ${args.join(' ')} ${error === null ? 'would start' : 'is wrong'}`, async () => {
    assert.equal(await commandLineError(args, {}), error);
  });
}
