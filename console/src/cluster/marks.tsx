/** The states of nodes, hosts and workers. */
import type { ReactElement } from 'react';
import type { ClusterBody, HostBody, HostDetailBody } from '../../../src/api/index.ts';
import { duration } from '../kit/format/format.ts';
import { type StateKind, StateMark } from '../kit/state-mark.tsx';

const nodeKinds: Readonly<Record<ClusterBody['nodes'][number]['state'], readonly [StateKind, string]>> = {
  serves: ['ok', 'Serves'],
  'stands by': ['zero', 'Stands by'],
  'does not respond': ['warn', 'Does not respond'],
  ended: ['zero', 'Ended'],
  dead: ['bad', 'Dead'],
};

const hostKinds: Readonly<Record<HostBody['state'], readonly [StateKind, string]>> = {
  ready: ['ok', 'Ready'],
  cordoned: ['person', 'Cordoned'],
  draining: ['changing', 'Draining'],
  away: ['warn', 'Away'],
  lost: ['bad', 'Lost'],
};

const workerKinds: Readonly<Record<HostDetailBody['workers'][number]['state'], readonly [StateKind, string]>> = {
  starting: ['changing', 'Starting'],
  ready: ['ok', 'Ready'],
  failed: ['bad', 'Failed'],
};

const taskKinds: Readonly<Record<HostDetailBody['tasks'][number]['state'], readonly [StateKind, string]>> = {
  preparing: ['changing', 'Preparing'],
  starting: ['changing', 'Starting'],
  running: ['ok', 'Running'],
  ended: ['zero', 'Ended'],
  lost: ['bad', 'Lost'],
};

/** `6.5`: functions have parts of a vCPU. */
export function vcpus(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 1 });
}

/** `local.gpu 1 of 2`: workers that have a share of a device, of those that can. */
export function devicesText({ accelerators }: Pick<HostBody, 'accelerators'>): string {
  return Object.entries(accelerators)
    .map(([type, { workers, workers_max: most }]) => `${type} ${workers} of ${most}`)
    .join(', ');
}

/** A small difference is the time that a query takes. */
const clockShownMs = 100;

/** `right`, `3 s behind`. */
export function clockText(offsetMs: number): string {
  if (Math.abs(offsetMs) < clockShownMs) return 'right';
  return `${duration(Math.abs(offsetMs))} ${offsetMs > 0 ? 'ahead' : 'behind'}`;
}

export function NodeMark({ state }: { readonly state: keyof typeof nodeKinds }): ReactElement {
  const [kind, text] = nodeKinds[state];
  return <StateMark kind={kind}>{text}</StateMark>;
}

export function HostMark({ state }: { readonly state: keyof typeof hostKinds }): ReactElement {
  const [kind, text] = hostKinds[state];
  return <StateMark kind={kind}>{text}</StateMark>;
}

export function HostWorkerMark({ state }: { readonly state: keyof typeof workerKinds }): ReactElement {
  const [kind, text] = workerKinds[state];
  return <StateMark kind={kind}>{text}</StateMark>;
}

export function HostTaskMark({ state }: { readonly state: keyof typeof taskKinds }): ReactElement {
  const [kind, text] = taskKinds[state];
  return <StateMark kind={kind}>{text}</StateMark>;
}

/** The round trip to the node that serves, and the detour that it takes. */
export function NodeLinkCell({ node: { state, link } }: { readonly node: ClusterBody['nodes'][number] }): ReactElement {
  if (state !== 'stands by') return <span className="dim">–</span>;
  if (link === null) return <StateMark kind="bad">Not linked</StateMark>;
  const lag = link.lag_ms === null ? '' : duration(link.lag_ms);
  if (link.via === null) return <span>{lag === '' ? 'linked' : `linked, ${lag}`}</span>;
  return <StateMark kind="changing">{`Over ${link.via}${lag === '' ? '' : `, ${lag}`}`}</StateMark>;
}
