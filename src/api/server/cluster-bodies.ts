/** Bodies of the cluster: nodes, hosts, placements. */
import { z } from 'zod';
import type {
  ChosenHost,
  HostStatus,
  HostTask,
  HostWorker,
  LinkedNodeStatus,
  MoveUnderWay,
  PlacementInputs,
  UnplacedWorker,
} from '../../hosts/index.ts';
import type { Decision } from '../../records/index.ts';
import { jobOfTask } from '../../training/index.ts';
import { hostSetDecisionBody } from '../records/decision-bodies.ts';
import { hostedJobBody } from '../records/placement-decisions.ts';
import { isoTime } from '../routing/parameters.ts';

const time = z.iso.datetime();

const nodeBody = z.strictObject({
  name: z.string(),
  state: z.enum(['serves', 'stands by', 'does not respond', 'ended', 'dead']),
  version: z.string(),
  joined_at: time,
  lease_ms: z.number().describe('What remains of its lease; negative if it ran out.'),
  clock_offset_ms: z.number().describe("By how much its clock is ahead of the database's, negative if behind."),
  link: z
    .strictObject({
      lag_ms: z.number().nullable().describe('Round trip: the median of the last ones. Null if it is not known.'),
      via: z
        .string()
        .nullable()
        .describe('The node that passes the link on, because its own way to the home is cut; null if it is direct.'),
    })
    .nullable()
    .describe('Its link to the node that serves; null if it has none, as that node itself.'),
});

const waitingBody = z.strictObject({
  worker: z.string(),
  endpoint: z.string(),
  host: z.string().nullable().describe('Where it runs meanwhile, as on a host that drains; null if it does not run.'),
  reason: z.string(),
  since: time,
});

const hostBody = z.strictObject({
  name: z.string(),
  zone: z.string(),
  state: z
    .enum(['ready', 'cordoned', 'draining', 'away', 'lost'])
    .describe('`away`: its link is broken for a moment. `lost`: it is broken for so long that its workers are placed again.'),
  since: time.nullable().describe('When the operator changed its state last.'),
  vcpu: z.number(),
  vcpu_used: z.number().describe('Reserved by its workers and by tasks of jobs.'),
  memory_mib: z.number(),
  memory_used_mib: z.number().describe('Reserved by its workers and by tasks of jobs.'),
  accelerators: z
    .record(z.string(), z.strictObject({ workers: z.number(), workers_max: z.number() }))
    .describe('By instance type with devices: how many of its workers the host has, and can have at a time.'),
  warm_workers: z.number().describe('Started workers without a model, which a function can use at once.'),
  is_home: z.boolean().describe('It is the machine of the node that serves.'),
  ends_at: time
    .nullable()
    .describe('When its agent stops. It got SIGTERM, for example because its machine will be taken away, and drains.'),
  link: z.enum(['linked', 'away', 'lost']),
  silent_ms: z.number().nullable().describe('Since the last byte of its agent; null if it has not been linked to this home.'),
  lag_ms: z.number().nullable().describe('Round trip of its link: the median of the last ones. Null if it is not known.'),
  clock_offset_ms: z
    .number()
    .nullable()
    .describe("By how much its clock is ahead of the database's, negative if behind. Null if it is not known."),
  address: z.string().nullable(),
  version: z.string().nullable().describe('Of its agent; null for the machine of the node that serves.'),
  worker_count: z.number(),
  task_count: z.number().describe('Attempts of training and processing jobs. An ended one is there until the home has its files.'),
});

const hostTaskBody = hostedJobBody.extend({
  state: z.enum(['preparing', 'starting', 'running', 'ended', 'lost']),
  vcpu: z.number(),
  memory_mib: z.number(),
});

const hostWorkerBody = z.strictObject({
  id: z.string(),
  endpoint: z.string(),
  variant: z.string(),
  model: z.string(),
  kind: z.enum(['instance', 'function']),
  instance_type: z.string(),
  state: z.enum(['starting', 'ready', 'failed']),
  vcpu: z.number(),
  memory_mib: z.number(),
  started_at: time,
});

export const hostDetailBody = hostBody.extend({
  workers: z.array(hostWorkerBody),
  tasks: z.array(hostTaskBody).describe('Not of the node that serves.'),
  blocked: z.array(waitingBody).describe('While it drains: workers that no other host has room for.'),
});

const moveBody = z.strictObject({
  worker: z.string(),
  endpoint: z.string(),
  cause: z.enum(['host-lost', 'host-draining', 'host-on-notice', 'stopgap', 'spread']),
  from: z.string().nullable(),
  to: z.string(),
  since: time,
});

const recentPlacementBody = z.strictObject({
  id: z.string().describe('Of the decision.'),
  at: time,
  endpoint: z.string().nullable().describe('Null for a task of a job.'),
  job: hostedJobBody.nullable().describe('Null for a worker of an endpoint.'),
  trigger: z.string(),
  worker: z.string(),
  from: z.string().nullable(),
  to: z.string(),
  reason: z.string().describe('Why it left its host, and why it is on this one.'),
  explanation: z.string().describe('The same in one sentence with the names of the worker and its hosts.'),
});

export const clusterBody = z.strictObject({
  nodes: z.array(nodeBody),
  hosts: z.array(hostBody),
  moving: z.array(moveBody).describe('Workers that start on another host now.'),
  pending: z.array(waitingBody).describe('Workers that no host, or no other host, has room for.'),
  recent: z.array(recentPlacementBody).describe('Where instances and tasks of jobs started, and instances moved, last; newest first.'),
  wanted: z
    .strictObject({ hosts: z.number(), packed: z.number(), spare: z.number(), too_large: z.number(), reason: z.string() })
    .nullable()
    .describe(
      'How many hosts the workers need: of the size that `--host-size` says, else of that which most hosts have. Null while neither is known.',
    ),
  scaling: z
    .strictObject({
      set: z.string(),
      wanted: z.number().nullable().describe('How many hosts it should have, within its limits; null before that is known.'),
      hosts: z.number().nullable().describe('The number that the engine is to run; null before it was read.'),
      linked: z.number().describe('How many of them are linked.'),
      min: z.number(),
      max: z.number(),
      draining: z.string().nullable().describe('The host that is emptied, so that it can end; null without one.'),
      reason: z.string().describe('Of the last decision.'),
      problem: z.string().nullable().describe('Why the engine could not be read or changed; null if it could.'),
      decisions: z.array(hostSetDecisionBody).describe('The last ones, newest first.'),
    })
    .nullable()
    .describe('The set of hosts that the node that serves scales; null without one.'),
  as_of: time.describe('When nodes and recent placements were read. The rest is as it is now.'),
  database_away_since: time.nullable().describe('Since when the database has not answered; null if it does.'),
  notes: z.array(z.string()),
});

export type ClusterBody = z.infer<typeof clusterBody>;
export type NodeBody = z.infer<typeof nodeBody>;
export type HostBody = z.infer<typeof hostBody>;
export type HostDetailBody = z.infer<typeof hostDetailBody>;
type WaitingBody = z.infer<typeof waitingBody>;

export function nodeBodyOf({ name, state, version, joinedAtMs, leaseMs, clockOffsetMs, link }: LinkedNodeStatus): NodeBody {
  return {
    name,
    state,
    version,
    joined_at: isoTime(joinedAtMs),
    lease_ms: leaseMs,
    clock_offset_ms: clockOffsetMs,
    link: link === null ? null : { lag_ms: lagOf(link.lagMs), via: link.via },
  };
}

function lagOf(lagMs: number | null): number | null {
  return lagMs === null ? null : Math.round(10 * lagMs) / 10;
}

export function hostBodyOf(host: HostStatus): HostBody {
  const { name, zone, state, sinceMs, link, silentMs, lagMs, clockOffsetMs, endsAtMs, address, version, workers, hostTasks } = host;
  return {
    name,
    zone,
    state,
    link,
    address,
    version,
    since: sinceMs === null ? null : isoTime(sinceMs),
    vcpu: host.cpuMilli / 1000,
    vcpu_used: host.cpuUsedMilli / 1000,
    memory_mib: host.memoryMiB,
    memory_used_mib: host.memoryUsedMiB,
    is_home: host.isHome,
    ends_at: endsAtMs === null ? null : isoTime(endsAtMs),
    silent_ms: silentMs === null ? null : Math.round(silentMs),
    lag_ms: lagOf(lagMs),
    clock_offset_ms: clockOffsetMs === null ? null : Math.round(clockOffsetMs),
    accelerators: acceleratorsOf(host),
    warm_workers: host.warmWorkers,
    worker_count: workers.length,
    task_count: hostTasks.length,
  };
}

function acceleratorsOf({ accelerators, workers }: HostStatus): HostBody['accelerators'] {
  const countOf = (type: string): number => workers.filter(({ accelerator }) => accelerator === type).length;
  return Object.fromEntries(Object.entries(accelerators).map(([type, most]) => [type, { workers: countOf(type), workers_max: most }]));
}

export function hostDetailBodyOf(host: HostStatus): HostDetailBody {
  return {
    ...hostBodyOf(host),
    workers: host.workers.map(hostWorkerBodyOf),
    tasks: host.hostTasks.map(hostTaskBodyOf),
    blocked: host.blocked.map((waiting) => waitingBodyOf(waiting, [host])),
  };
}

/** `hosts`: all of which one may run it. */
export function waitingBodyOf({ worker, endpoint, reason, sinceMs }: UnplacedWorker, hosts: readonly HostStatus[]): WaitingBody {
  const host = hosts.find(({ workers }) => workers.some(({ id }) => id === worker))?.name ?? null;
  return { worker, endpoint, host, reason, since: isoTime(sinceMs) };
}

export function moveBodyOf({ worker, endpoint, cause, from, to, sinceMs }: MoveUnderWay): ClusterBody['moving'][number] {
  return { worker, endpoint, cause, from, to, since: isoTime(sinceMs) };
}

/** The stored contents were written by the placement and are not validated again. */
export function recentPlacementBodyOf({
  id,
  atMs,
  endpoint,
  trigger,
  inputs,
  chosen,
  explanation,
}: Decision): ClusterBody['recent'][number] {
  const { worker, task = null, from } = inputs as PlacementInputs;
  return {
    id,
    at: isoTime(atMs),
    endpoint,
    job: task === null ? null : jobOfTask(task),
    trigger,
    worker,
    from,
    to: (chosen as ChosenHost).host,
    reason: reasonIn(explanation),
    explanation,
  };
}

/** Of `w moves from h1 to h2, because h1 drains: h2 has room`: `h1 drains; h2 has room`. */
function reasonIn(explanation: string): string {
  const [, cause, reason] = /^.*?(?:, because (.*?))?: (.*)$/s.exec(explanation) ?? [];
  return [cause, reason].filter((part) => part !== undefined).join('; ');
}

function hostTaskBodyOf({ id, state, cpuMilli, memoryMiB }: HostTask): z.infer<typeof hostTaskBody> {
  return { ...jobOfTask(id), state, vcpu: cpuMilli / 1000, memory_mib: memoryMiB };
}

function hostWorkerBodyOf(worker: HostWorker): z.infer<typeof hostWorkerBody> {
  const { id, endpoint, variantName: variant, model, kind, instanceType, state, cpuMilli, memoryMiB, startedAtMs } = worker;
  return {
    id,
    endpoint,
    variant,
    model,
    kind,
    instance_type: instanceType,
    state,
    vcpu: cpuMilli / 1000,
    memory_mib: memoryMiB,
    started_at: isoTime(startedAtMs),
  };
}
