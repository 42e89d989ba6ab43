/** Deployment with scripted workers and serving, and a real database and registry. */
import { afterEach } from 'node:test';
import { VirtualClock } from '../src/clock.ts';
import { defaultPrices } from '../src/costs/index.ts';
import {
  type CountedVersion,
  Deployments,
  type EndpointConfig,
  type EndpointView,
  functionsDefault,
  type ServedEndpoint,
  type ServedWorker,
  type ServingPort,
} from '../src/deployment/index.ts';
import { PlatformError } from '../src/errors.ts';
import type { Provider, WorkerLimits, WorkerSpec, WorkerView } from '../src/providers/index.ts';
import type { Inspection, WorkerLink } from '../src/runtime/index.ts';
import type { OpenDatabase } from '../src/storage/index.ts';
import { type ControlPlane, openControlPlane, plainInspection } from './control-plane.ts';

/** A provider whose workers follow the test's script. */
class ScriptedProvider implements Provider {
  readonly views = new Map<string, WorkerView>();
  /** Ready at once, unless a test checks the transition. */
  isPrompt = true;
  refuses: Error | null = null;
  /** Runs the workers; null: this machine. */
  host: NonNullable<WorkerView['host']> | null = null;
  /** A requested start is accepted when this resolves. */
  takes: Promise<void> = Promise.resolve();
  readonly #links = new Map<string, WorkerLink>();
  readonly #listeners = new Set<(view: WorkerView) => void>();

  limits: WorkerLimits = { cpu: false, memory: false, reason: 'no processes' };

  async start(spec: WorkerSpec): Promise<void> {
    if (this.refuses !== null) throw this.refuses;
    await this.takes;
    if (this.views.has(spec.id)) return;
    const host = this.host === null ? {} : { host: this.host };
    this.#set({ spec, state: 'starting', pid: 1, rssBytes: null, restarts: 0, reason: null, startedAtMs: 0, readyAtMs: null, ...host });
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
    throw new Error('this test borrows no worker');
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

/** Serving that records its calls. */
class NotedServing implements ServingPort {
  readonly notes: string[] = [];
  readonly attached = new Map<string, ServedWorker>();
  readonly served = new Map<string, ServedEndpoint>();
  /** Drains delayed by a test, by worker. */
  readonly held = new Map<string, () => void>();
  holdsDrains = false;
  /** Scripted counts of each version. */
  counts: readonly CountedVersion[] = [];
  readonly launchedIds: string[] = [];
  /** Called at once when a worker is detached, as for a pool of functions. */
  onDetach: (workerId: string) => void = () => undefined;
  /** Resolves when running requests are answered, after which an endpoint is suspended. */
  answered: Promise<void> = Promise.resolve();

  serve(endpoint: ServedEndpoint): void {
    this.served.set(endpoint.config.name, endpoint);
    this.notes.push(`serve ${endpoint.config.name} ${endpoint.variants.map(({ version }) => version.name).join(',')}`);
  }

  launched({ id }: Parameters<ServingPort['launched']>[0]): void {
    this.launchedIds.push(id);
  }

  attach(worker: ServedWorker): void {
    this.attached.set(worker.id, worker);
    this.notes.push(`attach ${worker.id}`);
  }

  detach(workerId: string): void {
    this.attached.delete(workerId);
    this.notes.push(`detach ${workerId}`);
    this.onDetach(workerId);
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
    await this.answered;
  }

  counted(): readonly CountedVersion[] {
    return this.counts;
  }

  async discard(endpoint: string): Promise<void> {
    this.served.delete(endpoint);
    this.notes.push(`forget ${endpoint}`);
  }
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

export interface DeploymentFixture extends ControlPlane {
  readonly provider: ScriptedProvider;
  readonly serving: NotedServing;
  readonly deployments: Deployments;
  readonly clock: VirtualClock;
  readonly measured: string[];
  /** Another server with the same state, after this one was killed. */
  restart(): Promise<DeploymentFixture>;
  /** The same, not opened yet: its workers can be scripted before. */
  unopened(): DeploymentFixture;
}

function build(plane: ControlPlane & { clock: VirtualClock }): DeploymentFixture {
  const provider = new ScriptedProvider();
  const serving = new NotedServing();
  const measured: string[] = [];
  const profiles = {
    measureInBackground: (version: { name: string }, executor: string) => void measured.push(`${version.name} ${executor}`),
  };
  const functionProfiles = { measureInBackground: ({ name }: { name: string }) => void measured.push(`${name} functions`) };
  const deployments = new Deployments({ ...plane, provider, serving, profiles, functionProfiles, prices: defaultPrices, cores: 2 });
  closing.push(() => deployments.close());
  const unopened = () => build(plane);
  const restart = async () => {
    await deployments.close();
    const next = unopened();
    await next.deployments.open();
    return next;
  };
  return { ...plane, provider, serving, deployments, measured, restart, unopened };
}

/** A fixture with digits/1 and digits/2 Approved, and digits/3 not. `more` is part of their inspection. */
export async function openDeploymentFixture(more: Partial<Inspection> = {}, database?: OpenDatabase): Promise<DeploymentFixture> {
  const clock = new VirtualClock();
  let deployments: Deployments | null = null;
  const inUse = async (...requested: Parameters<Deployments['usersOf']>) => deployments?.usersOf(...requested) ?? [];
  const removeGroup = async (...requested: Parameters<Deployments['removeGroup']>) =>
    deployments?.removeGroup(...requested) ?? (() => undefined);
  const stored = database === undefined ? {} : { database };
  const plane = {
    ...(await openControlPlane({ ...stored, clock, inUse, removeGroup, inspect: async () => plainInspection(more) })),
    clock,
  };
  closing.push(() => plane.close());
  for (const text of ['one', 'two', 'three']) {
    const source = new TextEncoder().encode(text);
    await plane.registry.register({ group: 'digits', source, sourceName: 'm.onnx', who: 'me' });
  }
  for (const version of [1, 2]) await plane.registry.setApproval('digits', version, 'Approved', { who: 'me' });
  const fixture = build(plane);
  deployments = fixture.deployments;
  await deployments.open();
  return fixture;
}

export const variant = { name: 'AllTraffic', group: 'digits', version: 1, weight: 1, instanceCount: 1, instanceType: 'local.1' };
export const serverless = { ...variant, instanceCount: 0, functions: functionsDefault };
export const prod: EndpointConfig = {
  name: 'prod',
  variants: [variant],
  objective: { percentile: 95, latencyMs: 50 },
  late: 'serve',
  timeoutMs: 60_000,
};

export function refusal(code: PlatformError['code'], message: RegExp) {
  return (error: unknown) => error instanceof PlatformError && error.code === code && message.test(error.message);
}

/** Resolves when the endpoint matches, now or after a change. */
export async function until(
  { deployments }: DeploymentFixture,
  name: string,
  isSo: (view: EndpointView) => boolean,
): Promise<EndpointView> {
  if (isSo(deployments.get(name))) return deployments.get(name);
  const { promise, resolve } = Promise.withResolvers<EndpointView>();
  const stop = deployments.onChange((view) => {
    if (view.config.name === name && isSo(view)) resolve(view);
  });
  const view = await promise;
  stop();
  return view;
}

export function untilDeleted({ deployments }: DeploymentFixture): Promise<string> {
  return new Promise((resolve) => deployments.onDeleted(resolve));
}

/** Runs pending work: promises, and the database, which answers within a turn. */
export async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}
