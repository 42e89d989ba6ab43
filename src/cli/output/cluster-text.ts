/** Tables of a cluster: nodes, hosts, workers, and what moved. */
import type { ClusterBody, HostBody, HostDetailBody, NodeBody } from '../../api/index.ts';
import { hostSetChangeText } from './decisions-table.ts';
import { countText, formatMsText, timeText } from './format.ts';
import { table } from './table.ts';

/** A small difference is the time that a query takes. */
const clockShownMs = 100;
const recentShown = 10;

/** Everything, with a line before each table but the first. */
export function clusterText(body: ClusterBody): string {
  const { nodes, hosts, moving, pending, recent, wanted, scaling, database_away_since: awaySince, notes } = body;
  const parts = [
    nodesText(nodes, awaySince === null),
    hostsText(hosts),
    table(moving, [
      { title: 'MOVING', cell: ({ worker }) => worker },
      { title: 'FROM', cell: ({ from }) => from },
      { title: 'TO', cell: ({ to }) => to },
      { title: 'WHY', cell: ({ cause, from }) => `${from ?? 'its host'} ${causeTexts[cause]}` },
      { title: 'SINCE (UTC)', cell: ({ since }) => timeText(since) },
    ]),
    table(pending, [
      { title: 'WAITS FOR ROOM', cell: ({ worker }) => worker },
      { title: 'STILL ON', cell: ({ host }) => host },
      { title: 'SINCE (UTC)', cell: ({ since }) => timeText(since) },
      { title: 'WHY', cell: ({ reason }) => reason },
    ]),
    table(recent.slice(0, recentShown), [
      { title: 'PLACED (UTC)', cell: ({ at }) => timeText(at) },
      { title: 'WORKER', cell: ({ worker }) => worker },
      { title: 'FROM', cell: ({ from }) => from },
      { title: 'HOST', cell: ({ to }) => to },
      { title: 'WHY', cell: ({ reason }) => reason },
    ]),
    wantedText(wanted),
    scalingText(scaling),
    notes.map((note) => `note: ${note}\n`).join(''),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function wantedText(wanted: ClusterBody['wanted']): string {
  return wanted === null ? '' : `hosts wanted: ${wanted.hosts} (${wanted.reason})\n`;
}

function scalingText(scaling: ClusterBody['scaling']): string {
  if (scaling === null) return '';
  const { set, problem, decisions } = scaling;
  const now = table(
    [scaling],
    [
      { title: 'SET', cell: () => set },
      { title: 'WANTED', cell: ({ wanted }) => wanted ?? 'not known', align: 'right' },
      { title: 'HOSTS', cell: ({ hosts }) => hosts ?? 'not known', align: 'right' },
      { title: 'LINKED', cell: ({ linked }) => linked, align: 'right' },
      { title: 'LIMITS', cell: ({ min, max }) => `${min} to ${max}` },
      { title: 'DRAINS', cell: ({ draining }) => draining },
      { title: 'WHY', cell: ({ reason }) => reason },
    ],
  );
  const changes = table(decisions.slice(0, recentShown), [
    { title: 'SCALED (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'CHANGE', cell: hostSetChangeText },
    { title: 'WHY', cell: ({ reason }) => reason },
  ]);
  return `${now}${problem === null ? '' : `note: ${set} is not scaled: ${problem}\n`}${changes === '' ? '' : `\n${changes}`}`;
}

/** `isCurrent`: whether the leases were just read. */
export function nodesText(nodes: readonly NodeBody[], isCurrent = true): string {
  return table(nodes, [
    { title: 'NODE', cell: ({ name }) => name },
    { title: 'STATE', cell: ({ state }) => state },
    { title: 'LEASE', cell: ({ state, lease_ms: leaseMs }) => (isOver(state) ? '' : isCurrent ? leaseText(leaseMs) : 'not known') },
    { title: 'CLOCK', cell: ({ state, clock_offset_ms: offsetMs }) => (isOver(state) ? '' : clockText(offsetMs)) },
    ...(nodes.some(({ link }) => link !== null) ? [{ title: 'LINK', cell: nodeLinkText }] : []),
    { title: 'VERSION', cell: ({ version }) => version },
    { title: 'JOINED (UTC)', cell: ({ joined_at: joinedAt }) => timeText(joinedAt) },
  ]);
}

/** `linked, 0.8 ms`, or `over c, 2.1 ms` if the node takes a detour. Null for the home. */
function nodeLinkText({ state, link }: NodeBody): string | null {
  if (state === 'serves' || isOver(state)) return null;
  if (link === null) return 'not linked';
  const way = link.via === null ? 'linked' : `over ${link.via}`;
  return link.lag_ms === null ? way : `${way}, ${formatMsText(link.lag_ms)}`;
}

/** Its process has ended, so it has no lease. */
function isOver(state: NodeBody['state']): boolean {
  return state === 'ended' || state === 'dead';
}

export function hostsText(hosts: readonly HostBody[]): string {
  return table(hosts, [
    { title: 'HOST', cell: ({ name, is_home: isHome }) => (isHome ? `${name} (serves)` : name) },
    { title: 'ZONE', cell: ({ zone }) => zone },
    { title: 'STATE', cell: stateText },
    { title: 'VCPU', cell: ({ vcpu, vcpu_used: used }) => `${used}/${vcpu}`, align: 'right' },
    { title: 'MEMORY', cell: ({ memory_mib: memory, memory_used_mib: used }) => `${used}/${memory} MiB`, align: 'right' },
    { title: 'DEVICES', cell: devicesText },
    { title: 'WORKERS', cell: ({ worker_count: workers }) => workers, align: 'right' },
    { title: 'WARM', cell: ({ warm_workers: warm }) => (warm === 0 ? null : warm), align: 'right' },
    { title: 'TASKS', cell: ({ task_count: tasks }) => (tasks === 0 ? null : tasks), align: 'right' },
    { title: 'LINK', cell: linkText },
    { title: 'CLOCK', cell: ({ clock_offset_ms: offsetMs }) => (offsetMs === null ? null : clockText(offsetMs)) },
    { title: 'ADDRESS', cell: ({ address }) => address },
    { title: 'VERSION', cell: ({ version }) => version },
  ]);
}

function hostWorkersText(workers: HostDetailBody['workers']): string {
  return table(workers, [
    { title: 'WORKER', cell: ({ id }) => id },
    { title: 'MODEL', cell: ({ model }) => model },
    { title: 'KIND', cell: ({ kind }) => kind },
    { title: 'STATE', cell: ({ state }) => state },
    { title: 'VCPU', cell: ({ vcpu }) => vcpu, align: 'right' },
    { title: 'MEMORY', cell: ({ memory_mib: memory }) => `${memory} MiB`, align: 'right' },
    { title: 'STARTED (UTC)', cell: ({ started_at: startedAt }) => timeText(startedAt) },
  ]);
}

function hostTasksText(tasks: HostDetailBody['tasks']): string {
  return table(tasks, [
    { title: 'JOB', cell: ({ job }) => job },
    { title: 'KIND', cell: ({ kind }) => kind },
    { title: 'ATTEMPT', cell: ({ attempt }) => attempt, align: 'right' },
    { title: 'STATE', cell: ({ state }) => state },
    { title: 'VCPU', cell: ({ vcpu }) => vcpu, align: 'right' },
    { title: 'MEMORY', cell: ({ memory_mib: memory }) => `${memory} MiB`, align: 'right' },
  ]);
}

/** The host, its workers and its tasks, and what keeps workers from leaving it. */
export function hostText(host: HostDetailBody): string {
  const blocked = host.blocked.map(({ worker, reason }) => `note: ${worker} cannot leave: ${reason}\n`).join('');
  return [hostsText([host]), hostWorkersText(host.workers), hostTasksText(host.tasks), blocked].filter((part) => part !== '').join('\n');
}

/** `h1 is draining, with 2 workers and 1 task`. */
export function hostLine(host: HostDetailBody): string {
  return `${host.name} is ${host.state}, with ${hostLoadText(host)}\n`;
}

/** `2 workers and 1 task`. */
export function hostLoadText({ workers, tasks }: Pick<HostDetailBody, 'workers' | 'tasks'>): string {
  return `${countText(workers.length, 'worker')}${tasks.length === 0 ? '' : ` and ${countText(tasks.length, 'task')}`}`;
}

/** `local.gpu 1/2`: workers that have a share of a device, of those that can. */
function devicesText({ accelerators }: HostBody): string | null {
  const parts = Object.entries(accelerators).map(([type, { workers, workers_max: most }]) => `${type} ${workers}/${most}`);
  return parts.length === 0 ? null : parts.join(', ');
}

const causeTexts = {
  'host-lost': 'was lost',
  'host-draining': 'drains',
  'host-on-notice': 'stops soon',
  stopgap: 'ran it for lack of hosts',
  spread: 'has too many of its variant',
} as const satisfies Record<ClusterBody['moving'][number]['cause'], string>;

/** `draining, ends 10:00:40`: the time tells how long its workers have to leave. */
function stateText({ state, ends_at: endsAt }: HostBody): string {
  return endsAt === null ? state : `${state}, ends ${timeText(endsAt).slice(11)}`;
}

function linkText({ link, lag_ms: lagMs, silent_ms: silentMs }: HostBody): string {
  if (link === 'linked') return lagMs === null ? 'linked' : `linked, ${formatMsText(lagMs)}`;
  return silentMs === null ? link : `${link} for ${formatMsText(silentMs)}`;
}

function clockText(offsetMs: number): string {
  if (Math.abs(offsetMs) < clockShownMs) return 'right';
  return `${formatMsText(Math.abs(offsetMs))} ${offsetMs > 0 ? 'ahead' : 'behind'}`;
}

function leaseText(leaseMs: number): string {
  return leaseMs > 0 ? `${formatMsText(leaseMs)} left` : `ran out ${formatMsText(-leaseMs)} ago`;
}
