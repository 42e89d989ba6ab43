/** Routes of the cluster: status, hosts, and what the operator wants of a host. */
import { z } from 'zod';
import { PlatformError } from '../../errors.ts';
import type { ClusterView, HostSetStatus, HostStatus, HostsWanted, WantedHostState } from '../../hosts/index.ts';
import type { Decision } from '../../records/index.ts';
import { hostSetDecisionBodyOf } from '../records/decisions.ts';
import { isoTime } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import {
  type ClusterBody,
  clusterBody,
  hostBodyOf,
  hostDetailBody,
  hostDetailBodyOf,
  moveBodyOf,
  nodeBodyOf,
  recentPlacementBodyOf,
  waitingBodyOf,
} from './cluster-bodies.ts';

const hostPath = z.strictObject({ host: z.string().min(1).max(253) });
const nothing: Omit<ClusterBody, 'as_of'> = {
  nodes: [],
  hosts: [],
  moving: [],
  pending: [],
  recent: [],
  wanted: null,
  scaling: null,
  database_away_since: null,
  notes: [],
};

export function clusterRoutes({ cluster, clock }: Pick<ApiServices, 'cluster' | 'clock'>): ApiRoute[] {
  return [
    apiRoute('GET /cluster', {
      summary: 'Get the status of the cluster',
      description:
        'Everything is empty if the server was started without `--node`. While the database is away, nodes and recent placements are as of the last time that it answered.',
      answer: clusterBody,
      handle: async () => (cluster === null ? { ...nothing, as_of: isoTime(clock.wallMs()) } : statusBodyOf(cluster)),
    }),
    apiRoute('GET /cluster/hosts/:host', {
      summary: 'Get a host with its workers',
      params: hostPath,
      answer: hostDetailBody,
      handle: ({ params: { host } }) => hostDetailBodyOf(of(cluster).host(host)),
    }),
    apiRoute('POST /cluster/hosts/:host/drain', {
      summary: 'Move the workers of a host to other hosts',
      description:
        'Returns at once. Instances move one at a time per variant: the replacement is ready before the old one stops. The host takes no workers until it is uncordoned.',
      params: hostPath,
      answer: hostDetailBody,
      handle: async ({ params: { host }, caller }) => change(of(cluster), host, 'draining', caller.keyId),
    }),
    apiRoute('POST /cluster/hosts/:host/cordon', {
      summary: 'Start no more workers on a host',
      description: 'Its workers stay. Also ends a drain.',
      params: hostPath,
      answer: hostDetailBody,
      handle: async ({ params: { host }, caller }) => change(of(cluster), host, 'cordoned', caller.keyId),
    }),
    apiRoute('POST /cluster/hosts/:host/uncordon', {
      summary: 'Let a host take workers again',
      params: hostPath,
      answer: hostDetailBody,
      handle: async ({ params: { host }, caller }) => change(of(cluster), host, 'ready', caller.keyId),
    }),
  ];
}

function of(cluster: ClusterView | null): ClusterView {
  if (cluster !== null) return cluster;
  throw new PlatformError('not_found', 'this server has no hosts: start it with --node and a PostgreSQL database');
}

async function change(cluster: ClusterView, host: string, wanted: WantedHostState, who: string): Promise<z.infer<typeof hostDetailBody>> {
  const status: HostStatus = await cluster.setWanted(host, wanted, who);
  return hostDetailBodyOf(status);
}

async function statusBodyOf(cluster: ClusterView): Promise<ClusterBody> {
  const { nodes, hosts, moving, pending, wanted, scaling, scaled, recent, asOfMs, databaseAwaySinceMs, notes } = await cluster.status();
  return {
    nodes: nodes.map(nodeBodyOf),
    hosts: hosts.map(hostBodyOf),
    moving: moving.map(moveBodyOf),
    pending: pending.map((waiting) => waitingBodyOf(waiting, hosts)),
    recent: recent.map(recentPlacementBodyOf),
    wanted: wanted === null ? null : wantedBodyOf(wanted),
    scaling: scaling === null ? null : scalingBodyOf(scaling, scaled),
    as_of: isoTime(asOfMs),
    database_away_since: databaseAwaySinceMs === null ? null : isoTime(databaseAwaySinceMs),
    notes: [...notes],
  };
}

function wantedBodyOf({ hosts, packed, spare, tooLarge, reason }: HostsWanted): NonNullable<ClusterBody['wanted']> {
  return { hosts, packed, spare, too_large: tooLarge, reason };
}

function scalingBodyOf(status: HostSetStatus, scaled: readonly Decision[]): NonNullable<ClusterBody['scaling']> {
  const { name: set, limits, ...rest } = status;
  const decisions = scaled.map(hostSetDecisionBodyOf).filter(({ inputs }) => inputs.set === set);
  return { set, ...limits, ...rest, decisions };
}
