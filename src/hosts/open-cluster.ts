/** Opens what a home knows of its cluster: hosts, placements, nodes. */
import type { NodeLinks } from '../authority/index.ts';
import type { Clock } from '../clock.ts';
import type { Closers } from '../closers.ts';
import type { ControllerTerm } from '../cluster/index.ts';
import type { Config } from '../config.ts';
import type { Log } from '../logs/index.ts';
import type { Metrics } from '../metrics/index.ts';
import type { Audit, Decisions, Events } from '../records/index.ts';
import type { Database } from '../storage/index.ts';
import { ClusterView, type NodeLink } from './cluster-view.ts';
import { HostScaler } from './host-set/host-scaler.ts';
import { JoinSecret, secretKeyOf } from './host-set/join-secret.ts';
import { type KubernetesPlace, kubernetesPlace, serviceAccountFolder } from './host-set/kubernetes-api.ts';
import { KubernetesSet } from './host-set/kubernetes-set.ts';
import { ProgramSet } from './host-set/program-set.ts';
import { HostStates } from './host-states.ts';
import type { PlacedProvider } from './placed-provider.ts';
import { Placements } from './placements.ts';

export interface OpenClusterDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly audit: Audit;
  readonly decisions: Decisions;
  readonly metrics: Pick<Metrics, 'gauge'>;
  /** Null without a cluster. */
  readonly node: { readonly term: ControllerTerm | null; readonly links: Pick<NodeLinks, 'authority' | 'nodes' | 'tokens'> } | null;
  /** The links of other nodes to this home, by name. */
  readonly nodeLinks: () => ReadonlyMap<string, NodeLink>;
}

/** The cluster of a home. */
export interface Cluster {
  readonly states: HostStates;
  readonly placements: Placements;
  readonly view: ClusterView;
}

/** Follows the hosts until `closers` close. Without a cluster it opens nothing: SQLite has no tables of hosts. */
export async function openCluster(
  config: Config,
  placed: PlacedProvider | null,
  deps: OpenClusterDeps,
  closers: Closers,
): Promise<Cluster | null> {
  if (placed === null) return null;
  const hosts = placed.view;
  const states = new HostStates(deps);
  await states.open();
  const placements = new Placements({ ...deps, states, hosts, hostSize: config.hostSize });
  const scaler = newScaler(config, { ...deps, states, hosts, placements, term: () => deps.node?.term ?? null });
  const joinSecret = newJoinSecret(config, deps);
  const view = new ClusterView({ ...deps, states, hosts, placements, scaler, joinSecret });
  meterHosts(deps.metrics, view, placements);
  placed.follow(states, placements);
  placements.open();
  view.open();
  for (const part of [placements, view]) closers.add(part);
  for (const loop of [scaler, joinSecret]) {
    loop?.open();
    if (loop !== null) closers.add(loop);
  }
  return { states, placements, view };
}

/** Null if no set of hosts is scaled. Throws `invalid_request`. */
function newScaler(config: Config, deps: ConstructorParameters<typeof HostScaler>[0]): HostScaler | null {
  const { scaleHosts: name, scaleHostsRange: limits, scaleHostsExec: program } = config;
  if (name === null) return null;
  const set = program === null ? new KubernetesSet(placeOf(config), name) : new ProgramSet(deps.clock, program, name, process.env);
  return new HostScaler(deps, { name, limits, set });
}

/** Null if no join token is kept in a secret. Throws `invalid_request`. */
function newJoinSecret(config: Config, { node, ...deps }: OpenClusterDeps): JoinSecret | null {
  if (config.joinSecret === null || node === null) return null;
  const { links } = node;
  const cluster = () => ({ authorities: links.authority.hashes, nodes: links.nodes });
  const parts = { ...deps, tokens: links.tokens, cluster, term: () => node.term };
  return new JoinSecret(parts, placeOf(config), secretKeyOf(config.joinSecret));
}

function placeOf({ serviceAccount }: Config): KubernetesPlace {
  return kubernetesPlace(process.env, serviceAccount ?? serviceAccountFolder);
}

function meterHosts(metrics: Pick<Metrics, 'gauge'>, view: ClusterView, placements: Placements): void {
  const wantedHelp = 'Hosts that workers and tasks need: what runs and waits, packed, and one to spare per zone.';
  metrics.gauge('penstock_hosts_wanted', wantedHelp, [], () => {
    const { wanted } = placements;
    return wanted === null ? [] : [{ labels: {}, value: wanted.hosts }];
  });
  metrics.gauge('penstock_hosts', 'Hosts by state.', ['state'], () => view.hosts().map(({ state }) => ({ labels: { state }, value: 1 })));
  metrics.gauge('penstock_workers_without_host', 'Workers that no host has room for.', [], () => [
    { labels: {}, value: placements.pending.length },
  ]);
}
