/** Decisions about the number of hosts of a set, as they are recorded. Pure. */
import type { NewDecision } from '../../records/index.ts';
import type { HostSetObservation } from './decide-host-count.ts';

/** What a number of hosts was decided from. */
export interface HostSetInputs {
  readonly set: string;
  /** The number that the engine ran. */
  readonly hosts: number;
  readonly min: number;
  readonly max: number;
  /** What the workers needed, with its reason; null if it was not known. */
  readonly wanted: { readonly hosts: number; readonly reason: string } | null;
  /** Hosts outside of the set that took workers. */
  readonly others: number;
  /** For how long fewer hosts had been needed. */
  readonly surplusMs: number;
}

/** `scale`: the engine runs `hosts`. `drain`: the workers of `host` move away, so that it can end. `restore`: it takes workers again. */
export interface ChosenHostSet {
  readonly action: 'scale' | 'drain' | 'restore';
  readonly hosts: number;
  readonly host: string | null;
}

/** What else could have been done. */
export interface HostSetAlternative {
  readonly hosts: number;
  readonly text: string;
}

export interface DecidedHostSet {
  readonly inputs: HostSetInputs;
  readonly chosen: ChosenHostSet;
  readonly reason: string;
}

const unmeasured = { unknown: 'the number of hosts has no effect of its own: see where workers wait for room' } as const;

export function hostSetInputs({ set, hosts, limits, wanted, others, surplusMs }: HostSetObservation): HostSetInputs {
  const need = wanted === null ? null : { hosts: wanted.hosts, reason: wanted.reason };
  return { set, hosts, ...limits, wanted: need, others, surplusMs: Math.round(surplusMs) };
}

export function hostSetDecision({ inputs, chosen, reason }: DecidedHostSet): NewDecision {
  return {
    kind: 'host-set',
    endpoint: null,
    variant: '',
    trigger: 'period',
    inputs,
    alternatives: alternativesTo(chosen, inputs),
    chosen,
    reason,
    explanation: `${changeText(chosen, inputs)}: ${reason}`,
    changes: true,
    effect: unmeasured,
  };
}

function changeText({ action, hosts, host }: ChosenHostSet, { set, hosts: before }: HostSetInputs): string {
  if (action === 'drain') return `${host} is drained, so that ${set} can shrink from ${before} to ${before - 1} hosts`;
  if (action === 'restore') return `${host} takes workers again`;
  return `${set} ${hosts > before ? 'grows' : 'shrinks'} from ${before} to ${hosts} hosts`;
}

/** The number as it was, and the number that a bound did not allow. */
function alternativesTo({ hosts }: ChosenHostSet, { hosts: before, min, max, wanted, others }: HostSetInputs): HostSetAlternative[] {
  const same =
    before === hosts ? [] : [{ hosts: before, text: `${Math.abs(before - hosts)} ${before < hosts ? 'fewer' : 'more'}, as before` }];
  const unbounded = wanted === null ? hosts : Math.max(0, wanted.hosts - others);
  if (unbounded > max) return [...same, { hosts: unbounded, text: `more than the limit of ${max}` }];
  return unbounded < min ? [...same, { hosts: unbounded, text: `fewer than the limit of ${min}` }] : same;
}
