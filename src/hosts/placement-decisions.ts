/** Decisions about hosts of workers, as they are recorded. Pure. */
import type { NewDecision } from '../records/index.ts';
import { chooseFrom, type HostChoice } from './choose-host.ts';
import type { HostFacts, PlacedWorker } from './host.ts';
import { HostPool } from './host-pool.ts';
import type { HostWorker } from './hosts-view.ts';
import type { MoveCause, WorkerMove } from './plan-moves.ts';

/** What a placement was decided from. */
export interface PlacementInputs {
  readonly worker: string;
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
  'host-on-notice': 'will be taken away',
  spread: 'has too many instances of its variant',
} as const satisfies Record<MoveCause, string>;

export function startDecision(
  worker: HostWorker,
  choice: Extract<HostChoice, { readonly fits: true }>,
  seen: ObservedPlacement,
): NewDecision {
  const { endpoint, variantName: variant, id } = worker;
  return {
    kind: 'placement',
    endpoint,
    variant,
    trigger: 'start',
    inputs: inputsOf(worker, null, seen.hosts),
    alternatives: alternativesTo(choice.host, worker, seen),
    chosen: { host: choice.host, zone: choice.zone } satisfies ChosenHost,
    reason: 'start',
    explanation: `${id} starts on ${choice.host}: ${choice.reason}`,
    changes: true,
    effect: unmeasured,
  };
}

export function moveDecision(worker: HostWorker, { cause, to, reason }: WorkerMove, seen: ObservedPlacement): NewDecision {
  const { endpoint, variantName: variant, id, host } = worker;
  return {
    kind: 'placement',
    endpoint,
    variant,
    trigger: cause,
    inputs: inputsOf(worker, host, seen.hosts),
    alternatives: [{ host, text: `it ${causeTexts[cause]}` }, ...alternativesTo(to, worker, seen)],
    chosen: { host: to, zone: seen.hosts.find(({ name }) => name === to)?.zone ?? null } satisfies ChosenHost,
    reason: cause,
    explanation: `${id} moves from ${host} to ${to}, because ${host} ${causeTexts[cause]}: ${reason}`,
    changes: true,
    effect: unmeasured,
  };
}

function inputsOf(
  { id, cpuMilli, memoryMiB, accelerator }: PlacedWorker,
  from: string | null,
  hosts: readonly HostFacts[],
): PlacementInputs {
  const states: Record<string, number> = {};
  for (const { state } of hosts) states[state] = (states[state] ?? 0) + 1;
  return { worker: id, cpuMilli, memoryMiB, accelerator, from, hosts: states };
}

/** What would have been chosen without the chosen host, and then without that one too. */
function alternativesTo(chosen: string, worker: PlacedWorker, { hosts, workers }: ObservedPlacement): PlacementAlternative[] {
  const found: PlacementAlternative[] = [];
  const placed = workers.filter(({ id }) => id !== worker.id);
  let others = hosts.filter(({ name }) => name !== chosen && name !== worker.host);
  while (found.length < alternativesMax) {
    const choice = chooseFrom(new HostPool(others, placed), worker);
    if (!choice.fits) break;
    found.push({ host: choice.host, text: choice.reason });
    others = others.filter(({ name }) => name !== choice.host);
  }
  return found;
}
