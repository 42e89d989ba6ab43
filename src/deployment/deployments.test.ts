import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { type ControlPlane, openControlPlane } from '../../test/control-plane.ts';
import { VirtualClock } from '../clock.ts';
import { defaultPrices } from '../costs/index.ts';
import { PlatformError } from '../errors.ts';
import type { Provider, WorkerSpec, WorkerView } from '../providers/index.ts';
import type { WorkerLink } from '../runtime/index.ts';
import { Deployments } from './deployments.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import type { EndpointView } from './endpoint-view.ts';
import type { ServedEndpoint, ServedWorker, ServingDoor } from './serving-door.ts';

/** A provider whose workers do what the test says, when it says so. */
class ScriptedProvider implements Provider {
  readonly views = new Map<string, WorkerView>();
  /** Ready at once, unless a test wants to see the way there. */
  isPrompt = true;
  refuses: Error | null = null;
  readonly #links = new Map<string, WorkerLink>();
  readonly #listeners = new Set<(view: WorkerView) => void>();

  readonly limits = { cpu: false, memory: false, reason: 'no processes' };

  async start(spec: WorkerSpec): Promise<void> {
    if (this.refuses !== null) throw this.refuses;
    if (this.views.has(spec.id)) return;
    this.#set({ spec, state: 'starting', pid: 1, rssBytes: null, restarts: 0, reason: null, startedAtMs: 0, readyAtMs: null });
    if (this.isPrompt) queueMicrotask(() => this.ready(spec.id));
  }

  async stop(id: string): Promise<void> {
    this.views.delete(id);
    this.#links.delete(id);
  }

  list(): readonly WorkerView[] {
    return [...this.views.values()];
  }

  link(id: string): WorkerLink | null {
    return this.views.get(id)?.state === 'ready' ? (this.#links.get(id) ?? null) : null;
  }

  restart(): void {}

  onChange(listener: (view: WorkerView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  borrow<T>(): Promise<T> {
    throw new Error('nothing is borrowed here');
  }

  async close(): Promise<void> {}

  ready(id: string): void {
    const view = this.views.get(id);
    if (view === undefined) return;
    this.#links.set(id, {} as WorkerLink);
    this.#set({ ...view, state: 'ready', readyAtMs: 0 });
  }

  crash(id: string, more: Partial<WorkerView> = {}): void {
    const view = this.views.get(id) as WorkerView;
    this.#set({ ...view, state: 'starting', restarts: view.restarts + 1, ...more });
  }

  ids(): string[] {
    return [...this.views.keys()].sort();
  }

  #set(view: WorkerView): void {
    this.views.set(view.spec.id, view);
    for (const listener of this.#listeners) listener(view);
  }
}

/** Serving that writes down what it is told. */
class NotedServing implements ServingDoor {
  readonly notes: string[] = [];
  readonly attached = new Map<string, ServedWorker>();
  readonly served = new Map<string, ServedEndpoint>();
  /** Drains that a test holds up, by worker. */
  readonly held = new Map<string, () => void>();
  holdsDrains = false;

  serve(endpoint: ServedEndpoint): void {
    this.served.set(endpoint.config.name, endpoint);
    this.notes.push(`serve ${endpoint.config.name} ${endpoint.variants.map(({ version }) => version.name).join(',')}`);
  }

  attach(worker: ServedWorker): void {
    this.attached.set(worker.id, worker);
    this.notes.push(`attach ${worker.id}`);
  }

  detach(workerId: string): void {
    this.attached.delete(workerId);
    this.notes.push(`detach ${workerId}`);
  }

  functionFailed(workerId: string, reason: string): void {
    this.notes.push(`failed ${workerId}: ${reason}`);
  }

  async drain(workerId: string): Promise<void> {
    this.notes.push(`drain ${workerId}`);
    if (this.holdsDrains) await new Promise<void>((resolve) => this.held.set(workerId, resolve));
  }

  async suspend(endpoint: string): Promise<void> {
    this.notes.push(`suspend ${endpoint}`);
  }

  async forget(endpoint: string): Promise<void> {
    this.served.delete(endpoint);
    this.notes.push(`forget ${endpoint}`);
  }
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface House extends ControlPlane {
  readonly provider: ScriptedProvider;
  readonly serving: NotedServing;
  readonly deployments: Deployments;
  readonly clock: VirtualClock;
  readonly measured: string[];
  /** Another server on the same state, after this one was killed. */
  restart(): Promise<House>;
}

function build(plane: ControlPlane & { clock: VirtualClock }): House {
  const provider = new ScriptedProvider();
  const serving = new NotedServing();
  const measured: string[] = [];
  const profiles = {
    measureInBackground: (version: { name: string }, executor: string) => void measured.push(`${version.name} ${executor}`),
  };
  const deployments = new Deployments({ ...plane, provider, serving, profiles, prices: defaultPrices, cores: 2 });
  closing.push(() => deployments.close());
  const restart = async () => {
    await deployments.close();
    const next = build(plane);
    await next.deployments.open();
    return next;
  };
  return { ...plane, provider, serving, deployments, measured, restart };
}

/** A house with digits/1, digits/2 Approved and digits/3 not. */
async function openHouse(): Promise<House> {
  const clock = new VirtualClock();
  let deployments: Deployments | null = null;
  const inUse = async (...asked: Parameters<Deployments['usersOf']>) => deployments?.usersOf(...asked) ?? [];
  const plane = { ...(await openControlPlane({ clock, inUse })), clock };
  closing.push(() => plane.close());
  for (const text of ['one', 'two', 'three']) {
    const source = new TextEncoder().encode(text);
    await plane.registry.register({ group: 'digits', source, sourceName: 'm.onnx', who: 'me' });
  }
  for (const version of [1, 2]) await plane.registry.setApproval('digits', version, 'Approved', { who: 'me' });
  const house = build(plane);
  deployments = house.deployments;
  await deployments.open();
  return house;
}

const variant = { name: 'AllTraffic', group: 'digits', version: 1, weight: 1, instanceCount: 1, instanceType: 'local.1' };
const prod: EndpointConfig = {
  name: 'prod',
  variants: [variant],
  objective: { percentile: 95, latencyMs: 50 },
  late: 'serve',
  timeoutMs: 60_000,
};

function refusal(code: PlatformError['code'], message: RegExp) {
  return (error: unknown) => error instanceof PlatformError && error.code === code && message.test(error.message);
}

/** Resolves when the endpoint looks as wished, now or after a change. */
async function until({ deployments }: House, name: string, isSo: (view: EndpointView) => boolean): Promise<EndpointView> {
  if (isSo(deployments.get(name))) return deployments.get(name);
  const { promise, resolve } = Promise.withResolvers<EndpointView>();
  const stop = deployments.onChange((view) => {
    if (view.config.name === name && isSo(view)) resolve(view);
  });
  const view = await promise;
  stop();
  return view;
}

function gone({ deployments }: House): Promise<string> {
  return new Promise((resolve) => deployments.onGone(resolve));
}

/** Lets what is on its way happen: promises, and the database, which answers within a turn. */
async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('deploying', () => {
  test('starts a worker, attaches it, serves, and is InService', async () => {
    const house = await openHouse();
    const { deployments, provider, serving } = house;
    const created = await deployments.create({ ...prod, variants: [{ ...variant, group: 'DIGITS' }] }, 'me');
    assert.deepEqual([created.status, created.generation, created.servedGeneration], ['Creating', 1, null]);
    const view = await deployments.waitFor('PROD', 1000);
    assert.deepEqual([view.status, view.reason, view.servedGeneration, view.variants[0]?.ready], ['InService', null, 1, 1]);
    assert.equal(view.config.variants[0]?.group, 'digits');
    assert.deepEqual(provider.ids(), ['prod.alltraffic.1.0']);
    assert.deepEqual(serving.notes, ['attach prod.alltraffic.1.0', 'serve prod digits/1']);
    const worker = serving.attached.get('prod.alltraffic.1.0');
    assert.deepEqual([worker?.variant, worker?.usdPerHour, worker?.threads, worker?.version.name], ['AllTraffic', 0.0425, 1, 'digits/1']);
    assert.deepEqual(house.measured, ['digits/1 instance:local.1']);
  });

  test('writes down who wanted what, and tells each change of status', async () => {
    const house = await openHouse();
    const told: string[] = [];
    house.events.subscribe(({ kind, subject }) => told.push(`${kind} ${subject}`));
    await house.deployments.create(prod, 'me');
    await house.deployments.waitFor('prod', 1000);
    await house.deployments.remove('prod', 'you');
    await gone(house);
    assert.deepEqual(told, [
      'endpoint.created prod',
      'endpoint.creating prod',
      'endpoint.in-service prod',
      'endpoint.delete-requested prod',
      'endpoint.deleting prod',
      'endpoint.deleted prod',
    ]);
    const audited = (await house.audit.list({ limit: 2 })).map(({ who, action, target }) => `${who} ${action} ${target}`);
    assert.deepEqual(audited, ['you DeleteEndpoint prod', 'me CreateEndpoint prod']);
  });

  test('takes only Approved versions, and says how to approve', async () => {
    const { deployments } = await openHouse();
    const config = { ...prod, variants: [{ ...variant, version: 3 }] };
    await assert.rejects(
      deployments.create(config, 'me'),
      refusal('wrong_state', /digits\/3 is PendingManualApproval.*penstock approve digits\/3/),
    );
    await assert.rejects(deployments.create({ ...prod, variants: [{ ...variant, version: 9 }] }, 'me'), refusal('not_found', /digits\/9/));
    assert.deepEqual(deployments.list(), []);
  });

  for (const [what, change, message] of [
    ['a name with an underscore', { name: 'no_good' }, /endpoint name/],
    ['no variant', { variants: [] }, /1 to 10 variants/],
    ['a variant name twice', { variants: [variant, { ...variant, name: 'ALLTRAFFIC' }] }, /given twice/],
    ['no weight above 0', { variants: [{ ...variant, weight: 0 }] }, /above 0/],
    ['a negative weight', { variants: [{ ...variant, weight: -1 }] }, /0 or more/],
    ['no instance', { variants: [{ ...variant, instanceCount: 0 }] }, /unload it/],
    ['too many instances', { variants: [{ ...variant, instanceCount: 65 }] }, /1 to 64/],
    ['an unknown instance type', { variants: [{ ...variant, instanceType: 'moon.large' }] }, /moon\.large/],
    ['a timeout of nothing', { timeoutMs: 0 }, /1 to 3600000/],
    ['an objective beyond reason', { objective: { percentile: 101, latencyMs: 5 } }, /percentile/],
  ] as const) {
    test(`refuses ${what}`, async () => {
      const { deployments } = await openHouse();
      await assert.rejects(deployments.create({ ...prod, ...change }, 'me'), refusal('invalid_request', message));
    });
  }

  test('knows names without case', async () => {
    const { deployments } = await openHouse();
    await deployments.create(prod, 'me');
    await assert.rejects(deployments.create({ ...prod, name: 'Prod' }, 'me'), refusal('already_exists', /'prod'/));
    assert.equal(deployments.get('PROD').config.name, 'prod');
    assert.throws(() => deployments.get('other'), refusal('not_found', /other/));
  });

  test('says when there are more threads than cores', async () => {
    const { deployments } = await openHouse();
    await deployments.create({ ...prod, variants: [{ ...variant, instanceCount: 3 }] }, 'me');
    assert.match(deployments.get('prod').notes[0] ?? '', /3 instances with 3 threads on 2 cores/);
  });
});

describe('an update', () => {
  test('starts the new beside the old, switches when it is ready, then drains the old', async () => {
    const house = await openHouse();
    const { deployments, provider, serving } = house;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    provider.isPrompt = false;
    serving.notes.length = 0;
    const updating = await deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    assert.deepEqual([updating.status, updating.generation, updating.servedGeneration], ['Updating', 2, 1]);
    await settle();
    assert.deepEqual([provider.ids(), serving.notes], [['prod.alltraffic.1.0', 'prod.alltraffic.2.0'], []]);
    provider.ready('prod.alltraffic.2.0');
    await deployments.waitFor('prod', 1000);
    await settle();
    assert.deepEqual(serving.notes, [
      'attach prod.alltraffic.2.0',
      'serve prod digits/2',
      'drain prod.alltraffic.1.0',
      'detach prod.alltraffic.1.0',
    ]);
    assert.deepEqual(provider.ids(), ['prod.alltraffic.2.0']);
  });

  test('of the settings alone keeps the workers and counts at once', async () => {
    const { deployments, provider, serving } = await openHouse();
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    const view = await deployments.update('prod', { objective: null, late: 'shed' }, 'me');
    assert.deepEqual([view.status, view.generation, view.servedGeneration], ['InService', 2, 2]);
    assert.deepEqual([serving.served.get('prod')?.config.objective, serving.served.get('prod')?.config.late], [null, 'shed']);
    assert.deepEqual(provider.ids(), ['prod.alltraffic.1.0']);
    const same = await deployments.update('prod', { late: 'shed' }, 'me');
    assert.equal(same.generation, 2);
  });

  test('to more instances adds, to fewer drains', async () => {
    const house = await openHouse();
    const { deployments, provider } = house;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    provider.isPrompt = false;
    await deployments.update('prod', { variants: [{ ...variant, instanceCount: 3 }] }, 'me');
    await settle();
    assert.equal(deployments.get('prod').status, 'Updating');
    const ids = ['prod.alltraffic.1.0', 'prod.alltraffic.2.0', 'prod.alltraffic.2.1'];
    assert.deepEqual(provider.ids(), ids);
    for (const id of ids) provider.ready(id);
    assert.equal((await deployments.waitFor('prod', 1000)).variants[0]?.ready, 3);
    await deployments.update('prod', { variants: [variant] }, 'me');
    await settle();
    assert.equal(provider.ids().length, 1);
  });

  test('that fails leaves the old in service, with the reason, and is over with the next one', async () => {
    const house = await openHouse();
    const { deployments, provider, serving } = house;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    provider.isPrompt = false;
    await deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    await settle();
    provider.crash('prod.alltraffic.2.0', { state: 'failed', reason: 'exit code 134: bad model' });
    const view = await deployments.waitFor('prod', 1000);
    assert.deepEqual([view.status, view.servedGeneration], ['InService', 1]);
    assert.match(view.reason ?? '', /the update failed.*bad model/);
    const back = await deployments.update('prod', { variants: [variant] }, 'me');
    assert.deepEqual([back.status, back.reason, back.servedGeneration], ['InService', null, 3]);
    await settle();
    assert.deepEqual([provider.ids(), [...serving.attached.keys()]], [['prod.alltraffic.1.0'], ['prod.alltraffic.1.0']]);
  });

  test('overtaken by the next ends with what was wanted last', async () => {
    const house = await openHouse();
    const { deployments, provider, registry } = house;
    await registry.setApproval('digits', 3, 'Approved', { who: 'me' });
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    await Promise.all([2, 3].map((version) => deployments.update('prod', { variants: [{ ...variant, version }] }, 'me')));
    await until(house, 'prod', ({ status, servedGeneration }) => status === 'InService' && servedGeneration === 3);
    await settle();
    assert.deepEqual(provider.ids(), ['prod.alltraffic.3.0']);
    assert.equal(deployments.get('prod').config.variants[0]?.version, 3);
  });

  test('keeps a version that has been rejected since, but does not add one', async () => {
    const { deployments, registry } = await openHouse();
    await deployments.create(prod, 'me');
    await registry.setApproval('digits', 1, 'Rejected', { who: 'me' });
    await deployments.update('prod', { late: 'shed' }, 'me');
    const second = { ...variant, name: 'b', version: 3 };
    await assert.rejects(deployments.update('prod', { variants: [variant, second] }, 'me'), refusal('wrong_state', /digits\/3/));
  });

  test('gives up on a drain that does not end when every request in it must be over', async () => {
    const { deployments, provider, serving, clock } = await openHouse();
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    serving.holdsDrains = true;
    await deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    await settle();
    assert.deepEqual(provider.ids(), ['prod.alltraffic.1.0', 'prod.alltraffic.2.0']);
    clock.advance(60_000);
    await settle();
    assert.deepEqual(provider.ids(), ['prod.alltraffic.2.0']);
  });
});

describe('a worker that dies', () => {
  test('is detached at once, and attached by its new link when it is back', async () => {
    const { deployments, provider, serving } = await openHouse();
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    const before = serving.attached.get('prod.alltraffic.1.0')?.link;
    provider.crash('prod.alltraffic.1.0');
    assert.equal(serving.attached.size, 0);
    assert.match(deployments.get('prod').reason ?? '', /being restarted/);
    provider.ready('prod.alltraffic.1.0');
    assert.notEqual(serving.attached.get('prod.alltraffic.1.0')?.link, before);
    assert.deepEqual([deployments.get('prod').status, deployments.get('prod').reason], ['InService', null]);
  });

  test('again and again makes the endpoint Failed, until it works after all', async () => {
    const { deployments, provider, events } = await openHouse();
    provider.isPrompt = false;
    await deployments.create(prod, 'me');
    await settle();
    provider.crash('prod.alltraffic.1.0', { state: 'failed', reason: 'exit code 1: no such operator' });
    const view = await deployments.waitFor('prod', 1000);
    assert.equal(view.status, 'Failed');
    assert.match(view.reason ?? '', /no such operator/);
    provider.ready('prod.alltraffic.1.0');
    await settle();
    assert.equal(deployments.get('prod').status, 'InService');
    const kinds = (await events.since(0, 50)).map(({ kind }) => kind);
    assert.deepEqual(kinds.slice(-3), ['endpoint.creating', 'endpoint.failed', 'endpoint.in-service']);
  });

  test('during its drain does not hold up the rest', async () => {
    const { deployments, provider, serving } = await openHouse();
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    serving.holdsDrains = true;
    await deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    await settle();
    provider.crash('prod.alltraffic.1.0');
    await settle();
    assert.deepEqual(provider.ids(), ['prod.alltraffic.2.0']);
  });
});

describe('deleting and unloading', () => {
  test('deletes in any state', async () => {
    const house = await openHouse();
    const { deployments, provider } = house;
    const remove = async () => {
      const end = gone(house);
      await deployments.remove('prod', 'me');
      await end;
      assert.deepEqual([provider.ids(), deployments.list()], [[], []]);
    };
    provider.isPrompt = false;
    await deployments.create(prod, 'me');
    await remove(); // Creating
    await deployments.create(prod, 'me');
    await settle();
    provider.crash('prod.alltraffic.1.0', { state: 'failed', reason: 'exit code 1' });
    await remove(); // Failed
    provider.isPrompt = true;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    provider.isPrompt = false;
    await deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    await remove(); // Updating
    provider.isPrompt = true;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    await deployments.unload('prod', 'me');
    await remove(); // Unloaded, or about to be
    await assert.rejects(deployments.remove('prod', 'me'), refusal('not_found', /prod/));
  });

  test('refuses to change what is being deleted', async () => {
    const { deployments, serving } = await openHouse();
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    serving.holdsDrains = true;
    await deployments.remove('prod', 'me');
    await deployments.remove('prod', 'me');
    assert.equal(deployments.get('prod').status, 'Deleting');
    await assert.rejects(deployments.update('prod', { late: 'shed' }, 'me'), refusal('wrong_state', /being deleted/));
    await assert.rejects(deployments.load('prod', 'me'), refusal('wrong_state', /being deleted/));
    await assert.rejects(deployments.create(prod, 'me'), refusal('already_exists', /still being deleted/));
    await settle();
    for (const release of serving.held.values()) release();
  });

  test('unloads and loads', async () => {
    const house = await openHouse();
    const { deployments, provider, serving } = house;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    await deployments.unload('prod', 'me');
    await until(house, 'prod', ({ status }) => status === 'Unloaded');
    assert.deepEqual([provider.ids(), serving.attached.size], [[], 0]);
    assert.equal((await deployments.waitFor('prod', 1000)).status, 'Unloaded');
    await deployments.load('prod', 'me');
    const view = await until(house, 'prod', ({ status }) => status === 'InService');
    assert.equal(view.generation, 1);
    assert.equal(serving.notes.at(-1), 'serve prod digits/1');
  });

  test('loads anew what is loaded: its workers are replaced one by one, a new one before each old one', async () => {
    const house = await openHouse();
    const { deployments, provider, serving } = house;
    await deployments.create({ ...prod, variants: [{ ...variant, instanceCount: 2 }] }, 'me');
    await until(house, 'prod', ({ status, variants }) => status === 'InService' && variants[0]?.ready === 2);
    serving.notes.length = 0;
    const reloading = await deployments.load('prod', 'me');
    assert.equal(reloading.status, 'Updating');
    await until(house, 'prod', ({ status }) => status === 'InService');
    await settle();
    const [first, second] = ['prod.alltraffic.1.0', 'prod.alltraffic.1.1'];
    const old = serving.notes.filter((note) => note.startsWith('drain'));
    assert.deepEqual(old.toSorted(), [`drain ${first}`, `drain ${second}`]);
    assert.equal(serving.notes.indexOf(old[0] as string) > serving.notes.findIndex((note) => note.startsWith('attach')), true);
    assert.equal(serving.attached.size, 2);
    assert.equal(provider.ids().length, 2);
  });

  test('keeps a version that an endpoint uses, or whose worker still runs', async () => {
    const { deployments, registry, serving } = await openHouse();
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    await assert.rejects(registry.deleteVersion('digits', 1, 'me'), refusal('wrong_state', /used by prod/));
    serving.holdsDrains = true;
    await deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    await settle();
    await assert.rejects(registry.deleteVersion('digits', 1, 'me'), refusal('wrong_state', /used by prod/));
    for (const release of serving.held.values()) release();
    await settle();
    await registry.deleteVersion('digits', 1, 'me');
  });
});

describe('after a restart', () => {
  test('everything comes back by itself', async () => {
    const first = await openHouse();
    await first.deployments.create(prod, 'me');
    await first.deployments.create({ ...prod, name: 'other', variants: [{ ...variant, version: 2, instanceCount: 2 }] }, 'me');
    await first.deployments.create({ ...prod, name: 'resting' }, 'me');
    await first.deployments.unload('resting', 'me');
    const second = await first.restart();
    await second.deployments.waitFor('prod', 1000);
    await until(second, 'other', ({ variants }) => variants[0]?.ready === 2);
    assert.equal((await second.deployments.waitFor('resting', 1000)).status, 'Unloaded');
    assert.deepEqual(second.provider.ids(), ['other.alltraffic.1.0', 'other.alltraffic.1.1', 'prod.alltraffic.1.0']);
    assert.deepEqual(
      second.deployments.list().map(({ config }) => config.name),
      ['other', 'prod', 'resting'],
    );
  });

  test('a deletion under way is finished', async () => {
    const first = await openHouse();
    await first.deployments.create(prod, 'me');
    await first.deployments.waitFor('prod', 1000);
    first.serving.holdsDrains = true;
    await first.deployments.remove('prod', 'me');
    const second = await first.restart();
    await settle();
    assert.deepEqual(second.deployments.list(), []);
  });
});

describe('the wait for an endpoint', () => {
  test('ends when the time is over, or the endpoint is gone', async () => {
    const house = await openHouse();
    const { deployments, provider, clock } = house;
    provider.isPrompt = false;
    await deployments.create(prod, 'me');
    const waiting = deployments.waitFor('prod', 5000);
    clock.advance(5000);
    await assert.rejects(waiting, refusal('deadline_exceeded', /still Creating/));
    const other = deployments.waitFor('prod', 5000);
    await Promise.all([deployments.remove('prod', 'me'), assert.rejects(other, refusal('not_found', /prod/))]);
  });

  test('sees why a step does not succeed, which is tried again each second', async () => {
    const { deployments, provider, clock } = await openHouse();
    provider.refuses = new PlatformError('unavailable', 'no more processes');
    await deployments.create(prod, 'me');
    await settle();
    assert.match(deployments.get('prod').reason ?? '', /start: no more processes/);
    provider.refuses = null;
    clock.advance(1000);
    assert.equal((await deployments.waitFor('prod', 1000)).reason, null);
  });
});
