/** Opens the hosts of a home: beside its own machine, workers run on those that are linked to it. */
import { availableParallelism, totalmem } from 'node:os';
import type { Clock } from '../clock.ts';
import type { Closers } from '../closers.ts';
import type { Config } from '../config.ts';
import { acceleratorTable } from '../costs/index.ts';
import type { LateInterpreters } from '../environments/index.ts';
import type { LinkPort } from '../links/index.ts';
import { type Log, type LogGroups, logWorkerLine } from '../logs/index.ts';
import { devicePlaces, type LocalProvider, pythonSettings } from '../providers/index.ts';
import type { Database } from '../storage/index.ts';
import { expectedHosts } from './host-states.ts';
import type { HomeProvider } from './placed-options.ts';
import { PlacedProvider } from './placed-provider.ts';

export interface OpenHostsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly db: Database;
  readonly logGroups: LogGroups;
  readonly objects: { fetch(sha256: string): Promise<string> };
  readonly files: { check(path: string): Promise<void> };
  readonly local: LocalProvider;
  readonly interpreters: Pick<LateInterpreters, 'factsOf' | 'lockNamed' | 'packagesOf' | 'archiveOf'>;
  /** Null for a server without a cluster, which has no hosts. */
  readonly node: {
    readonly name: string;
    readonly epoch: number;
    readonly links: { readonly port: LinkPort; readonly nodes: readonly string[] };
  } | null;
}

/** Where workers run: on this machine alone, or on hosts as well. */
interface OpenHosts {
  readonly provider: HomeProvider;
  /** Null without a cluster. */
  readonly placed: PlacedProvider | null;
}

/** Links of the agents of an earlier home return within a second or two. */
const expectedMs = 4000;
const mebibyte = 1024 ** 2;

/** Accepts links of hosts from now on, once this node is the home. Closes the links when `closers` close; the workers of hosts go on. */
export async function openHosts(config: Config, deps: OpenHostsDeps, closers: Closers): Promise<OpenHosts> {
  const { clock, log, db, logGroups, objects, files, local, node, interpreters } = deps;
  if (node === null) return { provider: local, placed: null };
  const provider = new PlacedProvider({
    clock,
    log,
    local,
    epoch: node.epoch,
    home: {
      name: node.name,
      zone: 'home',
      cpuMilli: 1000 * (config.cores ?? availableParallelism()),
      memoryMiB: Math.floor(totalmem() / mebibyte),
    },
    nodes: () => node.links.nodes,
    localWorkers: config.localWorkers,
    python: {
      hasNetwork: pythonSettings(config.python, config).network === 'host',
      factsOf: (environment) => interpreters.factsOf(environment),
      lockNamed: (name) => interpreters.lockNamed(name),
      packagesOf: (name) => interpreters.packagesOf(name),
      archiveOf: (lock) => interpreters.archiveOf(lock),
    },
    accelerators: devicePlaces(acceleratorTable(config.accelerators)),
    fetch: async (sha256) => {
      const path = await objects.fetch(sha256);
      await files.check(path);
      return path;
    },
    onLine: (spec, line, requestIds, ageMs) => logWorkerLine(logGroups, spec, line, { requestIds, atMs: clock.wallMs() - ageMs }),
    expected: await expectedHosts(db),
    expectedMs,
  });
  const { linked } = provider;
  node.links.port.serve(
    'host',
    ['host'],
    (socket, { name }, introduction) => linked.serve(socket, name, introduction),
    ({ name }, introduction) => linked.admit(name, introduction),
  );
  node.links.port.becomeHome(); // links of other kinds are retried until they are served
  closers.push(() => provider.close());
  return { provider, placed: provider };
}
