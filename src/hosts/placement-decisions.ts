/** Decisions about hosts of workers, as they are recorded. Pure. */
import type { NewDecision } from '../records/index.ts';
import { chooseFrom } from './choose-host.ts';
import type { HostFacts, PlacedWorker, WorkerSize } from './host.ts';
import { HostPool } from './host-pool.ts';
import type { PlacedSpec } from './hosts-view.ts';
import type { MoveCause } from './plan-moves.ts';

/** A worker got a host. */
export interface NewPlacement {
  readonly worker: PlacedSpec;
  readonly host: string;
  /** Null for a first start. */
  readonly cause: MoveCause | null;
  /** Null if it has no host, or its host is not known any more. */
  readonly from: string | null;
  readonly reason: string;
}

/** A task of a job got a machine: a host, or that of the home. */
export interface NewTaskPlacement extends Pick<WorkerSize, 'cpuMilli' | 'memoryMiB'> {
  /** As in `TaskRequest`, like `name`. */
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly reason: string;
}

/** What a placement was decided from. */
export interface PlacementInputs {
  /** Its id; of a task, its name. */
  readonly worker: string;
  /** The id of the task; null or absent for a worker. */
  readonly task?: string | null;
  readonly cpuMilli: number;
  readonly memoryMiB: number;
  readonly accelerator: string | null;
  /** The host that it leaves; null at its start. */
  readonly from: string | null;
  /** Hosts by their state. */
  readonly hosts: Readonly<Record<string, number>>;
}

/** A host that was not chosen. */
export interface PlacementAlternative {
  readonly host: string;
  readonly text: string;
}

export interface ChosenHost {
  readonly host: string;
  readonly zone: string | null;
}

/** What a decision was made from. */
export interface ObservedPlacement {
  readonly hosts: readonly HostFacts[];
  readonly workers: readonly PlacedWorker[];
}

const alternativesMax = 2;
const unmeasured = { unknown: 'a placement has no effect of its own: see the objective of its endpoint' } as const;

const causeTexts = {
  'host-lost': 'is lost',
  'host-draining': 'drains',
  'host-on-notice': 'stops soon',
  stopgap: 'ran it for lack of hosts',
  spread: 'has too many instances of its variant',
} as const satisfies Record<MoveCause, string>;

export function placementDecision({ worker, host: to, cause, from, reason }: NewPlacement, observed: ObservedPlacement): NewDecision {
  const { endpoint, variantName: variant, id } = worker;
  const { hosts } = observed;
  const left = from === null || cause === null ? [] : [{ host: from, text: `it ${causeTexts[cause]}` }];
  const why = cause === null || from === null ? '' : `, because ${from} ${causeTexts[cause]}`;
  return {
    kind: 'placement',
    endpoint,
    variant,
    trigger: cause ?? 'start',
    inputs: inputsOf(worker, from, hosts),
    alternatives: [...left, ...alternativesTo(to, from, worker, observed)],
    chosen: chosenHost(to, hosts),
    reason: cause ?? 'start',
    explanation: `${id} ${from === null ? `starts on ${to}` : `moves from ${from} to ${to}`}${why}: ${reason}`,
    changes: true,
    effect: unmeasured,
  };
}

/** A task moves never, and belongs to no endpoint. */
export function taskPlacementDecision(
  { id, name, host, reason, cpuMilli, memoryMiB }: NewTaskPlacement,
  { hosts }: Pick<ObservedPlacement, 'hosts'>,
): NewDecision {
  const size = { cpuMilli, memoryMiB, accelerator: null };
  return {
    kind: 'placement',
    endpoint: null,
    variant: '',
    trigger: 'start',
    inputs: { worker: name, task: id, ...size, from: null, hosts: countStates(hosts) } satisfies PlacementInputs,
    alternatives: [],
    chosen: chosenHost(host, hosts),
    reason: 'start',
    explanation: `${name} starts on ${host}: ${reason}`,
    changes: true,
    effect: { unknown: 'a placement has no effect of its own: see its job' },
  };
}

function chosenHost(host: string, hosts: readonly HostFacts[]): ChosenHost {
  return { host, zone: hosts.find(({ name }) => name === host)?.zone ?? null };
}

function inputsOf({ id, cpuMilli, memoryMiB, accelerator }: PlacedSpec, from: string | null, hosts: readonly HostFacts[]): PlacementInputs {
  return { worker: id, cpuMilli, memoryMiB, accelerator, from, hosts: countStates(hosts) };
}

function countStates(hosts: readonly HostFacts[]): Record<string, number> {
  const states: Record<string, number> = {};
  for (const { state } of hosts) states[state] = (states[state] ?? 0) + 1;
  return states;
}

/** What would have been chosen without the chosen host, and then without that one too. */
function alternativesTo(
  chosen: string,
  from: string | null,
  worker: PlacedSpec,
  { hosts, workers }: ObservedPlacement,
): PlacementAlternative[] {
  const found: PlacementAlternative[] = [];
  const placed = workers.filter(({ id }) => id !== worker.id);
  let others = hosts.filter(({ name }) => name !== chosen && name !== from);
  while (found.length < alternativesMax) {
    const choice = chooseFrom(new HostPool(others, placed), worker);
    if (!choice.fits) break;
    found.push({ host: choice.host, text: choice.reason });
    others = others.filter(({ name }) => name !== choice.host);
  }
  return found;
}
