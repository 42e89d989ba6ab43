/** Runs the agent of a host until it is interrupted: `penstock host`. */
import { availableParallelism, hostname, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { Closers } from '../../closers.ts';
import { type DataDirectory, openDataDirectory } from '../../data-directory/index.ts';
import { defined } from '../../defined.ts';
import { ArchivedEnvironments } from '../../environments/index.ts';
import { messageOf } from '../../errors.ts';
import { HostIdentity, peerName } from '../../links/index.ts';
import { type Log, openLogs } from '../../logs/index.ts';
import { type AcceleratedTypes, devicePlaces, isolationSettings, LocalProvider } from '../../providers/index.ts';
import { SystemRandom } from '../../random.ts';
import { FileHasher, VerifiedFiles } from '../../storage/index.ts';
import { AgentArtifacts } from './agent-artifacts.ts';
import { AgentHealth } from './agent-health.ts';
import { type AgentPythonOptions, AgentPythons } from './agent-pythons.ts';
import { AgentTasks } from './agent-tasks.ts';
import { EpochFence } from './epoch-fence.ts';
import { HostAgent, type HostAgentOptions } from './host-agent.ts';
import type { ObjectFile } from './partial-objects.ts';
import { PeerGrants } from './peer-grants.ts';
import { PeerLinks } from './peer-links.ts';
import { PeerServer } from './peer-server.ts';

/** What `penstock host` is started with. */
export interface AgentSettings {
  /** The text of a join token; null if the host has joined before. */
  readonly token: string | null;
  readonly name: string;
  readonly dataDir: string;
  readonly zone: string;
  readonly cpuMilli: number;
  /** What workers of this host may hold together. */
  readonly memoryMiB: number;
  readonly cacheBytes: number;
  readonly warmWorkers: number;
  /** Devices of this machine by instance type, as in config.json of a server. */
  readonly accelerators: AcceleratedTypes;
  readonly python: Pick<AgentPythonOptions, 'isEnabled' | 'named'>;
  /** How long workers go on without a home, in milliseconds. */
  readonly keepMs: number;
  /** How long the workers may take to move when the agent is to stop, in milliseconds. */
  readonly drainMs: number;
  /** Where probes ask whether this host is ready; null: nowhere. */
  readonly health: { readonly host: string; readonly port: number } | null;
  /** Where other hosts read what this one has; null: they do not. */
  readonly serve: { readonly host: string; readonly port: number } | null;
  readonly logLevel: string;
  readonly version: string;
}

/** How the agent ends and reports. */
export interface AgentControl {
  readonly clock: Clock;
  /** The first signal: the workers move to other hosts, then the agent ends. */
  readonly interrupted: AbortSignal;
  /** The second signal: the agent ends at once. */
  readonly onSecondInterrupt: (run: () => void) => void;
  /** Linked to the home for the first time. */
  readonly onLinked: () => void;
}

const mebibyte = 1024 ** 2;
const lookEveryMs = 100;

/** The name of the machine, in the form of names of hosts; null if it cannot be one. */
export function defaultHostName(): string | null {
  const name = (hostname().split('.')[0] ?? '').replaceAll(/[^A-Za-z0-9-]/g, '-').replaceAll(/^-+|-+$/g, '');
  return peerName.test(name) ? name : null;
}

/** Workers may use all processors, and what a system needs of the memory stays free. */
export function machineCapacity(): { readonly cpuMilli: number; readonly memoryMiB: number } {
  return { cpuMilli: 1000 * availableParallelism(), memoryMiB: Math.floor((0.9 * totalmem()) / mebibyte) };
}

/**
 * Resolves when the agent has ended as requested. Throws `wrong_state` if the data directory is in use or the host has not joined,
 * `invalid_request` for a bad token, `forbidden` or `already_exists` if the cluster refuses the host, `unavailable` if the disk is full.
 */
export async function runAgent(settings: AgentSettings, control: AgentControl): Promise<void> {
  const closers = new Closers();
  try {
    await open(settings, control, closers);
  } finally {
    await closers.close();
  }
}

async function open(
  settings: AgentSettings,
  { clock, interrupted, onSecondInterrupt, onLinked }: AgentControl,
  closers: Closers,
): Promise<void> {
  const { name, token, zone, cpuMilli, memoryMiB, version } = settings;
  const directory = await openDataDirectory(settings.dataDir);
  closers.push(() => directory.release());
  const logs = openLogs(directory.logs, settings.logLevel, { clock });
  closers.push(() => logs.close());
  const log = logs.platform;
  const parts: { agent?: HostAgent } = {};
  if (settings.health !== null) {
    // Before it joins, which may take long: a host that waits for the nodes is alive.
    const options = { clock, address: settings.health, folder: directory.path, isLinked: () => parts.agent?.isLinked === true };
    closers.add(await AgentHealth.open({ ...options, isStopping: () => interrupted.aborted }));
  }
  const ended = new AbortController();
  const end = (): void => ended.abort();
  onSecondInterrupt(end);
  const joining = AbortSignal.any([interrupted, ended.signal]);
  const identity = await HostIdentity.open({
    clock,
    random: new SystemRandom(),
    file: join(directory.path, 'membership.json'),
    name,
    token,
    signal: joining,
    onJoined: () => EpochFence.reset(join(directory.path, 'agent', 'epoch')),
    onFailure: (error) => log.warn({ error: messageOf(error) }, 'the certificate of this host was not renewed, will be retried'),
    onUnreachable: (address, reason) => log.warn({ address, reason }, 'a node cannot be reached, will be retried'),
  });
  closers.add(identity);
  const agent = await openAgent(settings, { clock, log, directory, identity }, closers);
  parts.agent = agent;
  log.info({ host: name, zone, cpuMilli, memoryMiB, dataDirectory: directory.path, version }, 'this host looks for its home');
  const refused = agent.run();
  void firstLink(agent, clock, joining).then((isLinked) => (isLinked ? onLinked() : undefined));
  const stop = new Promise<void>((resolve) => {
    if (interrupted.aborted) resolve();
    interrupted.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([refused, stop, agent.dismissed]);
  const over = new Promise<void>((resolve) => ended.signal.addEventListener('abort', () => resolve(), { once: true }));
  if (!interrupted.aborted) return;
  if (agent.workers.size > 0)
    log.info({ workers: agent.workers.size, withinMs: settings.drainMs }, 'this host stops: its workers move to other hosts first');
  await Promise.race([agent.drain(settings.drainMs), over]);
  if (agent.workers.size > 0) log.warn({ workers: agent.workers.size }, 'this host stops with workers that no other host took');
}

interface AgentDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly directory: DataDirectory;
  readonly identity: HostIdentity;
}

/** Opens the provider of this machine, and an agent for it that is not linked yet. */
async function openAgent(settings: AgentSettings, { clock, log, directory, identity }: AgentDeps, closers: Closers): Promise<HostAgent> {
  const { zone, cpuMilli, memoryMiB, version, keepMs } = settings;
  const hasher = closers.add(new FileHasher());
  const files = new VerifiedFiles(hasher);
  const parts: { agent?: HostAgent; tasks?: AgentTasks } = {};
  const own = { clock, log };
  const { path } = directory;
  const peers = new PeerLinks({ clock, identity: () => identity.identity });
  closers.add(peers);
  const inUse = (): ReadonlySet<string> => parts.agent?.workers.artifacts ?? new Set();
  const artifacts = new AgentArtifacts({ ...own, folder: directory.objects, bytesMax: settings.cacheBytes, verified: files, peers, inUse });
  await artifacts.open();
  const serves = await openPeerServer(settings.serve, { clock, log, identity, artifacts }, closers);
  const pythons = await AgentPythons.open({ log, ...settings.python });
  const provider = new LocalProvider({
    ...own,
    stateDirectory: path,
    warmWorkers: settings.warmWorkers,
    accelerators: settings.accelerators,
    isolation: isolationSettings(null),
    onLine: (spec, line, requestIds) => parts.agent?.workers.printed(spec.id, line, requestIds),
    fetchFile: (sha256) => artifacts.fetch(sha256),
    changeModel: (path, change) => files.change(path, change),
    python: { interpreterOf: pythons.interpreterOf, hasNetwork: false, forks: true },
    areTasksServed: () => parts.agent?.isLinked === true,
  });
  await provider.open();
  closers.add(provider);
  const environments = await openEnvironments({ ...own, path, pythons, artifacts, provider }, () => [
    ...(parts.agent?.workers.environments ?? []),
    ...(parts.tasks?.environments ?? []),
  ]);
  closers.add(environments);
  pythons.use(environments);
  const workersMiB = (): number => parts.agent?.workers.heldMiB ?? 0;
  const fetch = (sha256: string): Promise<string> => artifacts.fetch(sha256);
  const tasks = new AgentTasks({
    ...own,
    tasks: provider.tasks,
    folder: join(path, 'training'),
    fetch,
    interpreterOf: pythons.interpreterOf,
    memoryMiB,
    workersMiB,
  });
  await tasks.open();
  parts.tasks = tasks;
  const isolation = provider.isolation?.mode ?? 'unavailable';
  const agent = new HostAgent({
    ...own,
    random: new SystemRandom(),
    provider,
    artifacts,
    tasks,
    folder: join(path, 'agent'),
    version,
    zone,
    cpuMilli,
    memoryMiB,
    accelerators: devicePlaces(settings.accelerators),
    abilities: { isolation, architecture: process.arch, pythons: pythons.reported, runsTasks: true },
    keepMs,
    ...defined({ serves }),
    dial: (fields, signal) => identity.dialer.dial('host', fields, signal),
    onNodes: (addresses) => learn(identity, addresses, log),
  });
  parts.agent = agent;
  closers.add(agent);
  return agent;
}

interface EnvironmentParts extends Pick<AgentDeps, 'clock' | 'log'> {
  readonly path: string;
  readonly pythons: AgentPythons;
  readonly artifacts: AgentArtifacts;
  readonly provider: LocalProvider;
}

/** `inUse`: keys of environments that workers and tasks run in. */
async function openEnvironments(
  { clock, log, path, pythons, artifacts, provider }: EnvironmentParts,
  inUse: () => readonly string[],
): Promise<ArchivedEnvironments> {
  const environments = new ArchivedEnvironments({
    clock,
    log,
    directory: join(path, 'environments'),
    interpreters: pythons.interpreters,
    fetch: (lock) => artifacts.environment(lock),
    inUse: () => new Set(inUse()),
    limitMemory: (pid, bytesMax) => provider.limitMemory(pid, bytesMax),
  });
  await environments.open();
  return environments;
}

function learn(identity: HostIdentity, addresses: readonly unknown[], log: Log): void {
  identity.learn(addresses).catch((error: unknown) => log.warn({ error: messageOf(error) }, 'the addresses of the nodes were not stored'));
}

interface PeerServerParts extends Omit<AgentDeps, 'directory'> {
  readonly artifacts: AgentArtifacts;
}

/** Listens for other hosts, which read what the home grants them. Undefined without an address. */
async function openPeerServer(
  address: AgentSettings['serve'],
  { clock, log, identity, artifacts }: PeerServerParts,
  closers: Closers,
): Promise<HostAgentOptions['serves']> {
  if (address === null) return undefined;
  const grants = new PeerGrants(clock);
  const locate = (sha256: string, start: number): Promise<ObjectFile> => artifacts.locate(sha256, start);
  const { server, port } = await PeerServer.open({ clock, log, address, identity: identity.identity, grants, locate });
  closers.add(server);
  identity.follow((renewed) => server.setIdentity(renewed));
  log.info({ ...address, port }, 'this host sends models to other hosts');
  return { port, grants };
}

/** False if it was interrupted before. */
async function firstLink(agent: HostAgent, clock: Clock, signal: AbortSignal): Promise<boolean> {
  while (!agent.isLinked && !signal.aborted) await new Promise<void>((resolve) => clock.after(lookEveryMs, resolve));
  return agent.isLinked;
}
