/** Formats changes of an endpoint from the audit log: changes of the version, of settings, and how updates ended. */
import type { AuditBody } from '../../../../src/api/index.ts';

export type AuditedChange = Omit<AuditBody, 'origin'>;

/** A change as an entry of the timeline. */
export interface ChangeEntry {
  readonly kind: 'person';
  readonly id: string;
  readonly atMs: number;
  readonly title: string;
  readonly who: string;
  /** Null if there is nothing to add to the title. */
  readonly why: string | null;
}

const titles: Readonly<Record<string, string>> = {
  CreateEndpoint: 'Created',
  UpdateEndpoint: 'Settings changed',
  RollBackEndpoint: 'Rolled back',
  ContinueUpdate: 'Paused update continued',
  UpdateScaling: 'Scaling changed',
  LoadEndpoint: 'Started',
  UnloadEndpoint: 'Stopped',
  DeleteEndpoint: 'Deletion requested',
  SetBaseline: 'Baseline set',
  DeleteBaseline: 'Baseline removed',
};

/** `changes` and the result are sorted latest first. Rejected calls changed nothing and are left out. */
export function changeEntries(changes: readonly AuditedChange[]): ChangeEntry[] {
  const done = changes.filter(({ action, outcome }) => outcome === 'ok' && titles[action] !== undefined);
  return done.map((change, index) => {
    const { id, at, who } = change;
    const earlier = done.slice(index + 1).find((other) => modelsOf(other) !== null);
    return {
      kind: 'person',
      id,
      atMs: Date.parse(at),
      title: titleOf(change, earlier === undefined ? null : modelsOf(earlier)),
      who: who === 'anonymous' ? 'a local user' : who,
      why: reasonOf(change),
    };
  });
}

function titleOf(change: AuditedChange, before: string | null): string {
  const plain = titles[change.action] ?? change.action;
  const now = modelsOf(change);
  if (now === null) return plain;
  if (change.action === 'CreateEndpoint') return `Created with ${now}`;
  if (before === null || before === now) return plain;
  if (change.action === 'RollBackEndpoint') return `Rolled back from ${before} to ${now}`;
  return change.action === 'UpdateEndpoint' ? `Update from ${before} to ${now}` : plain;
}

interface Detail {
  readonly reason?: unknown;
  readonly config?: { readonly variants?: readonly { readonly group: string; readonly version: number }[] };
}

function modelsOf({ detail }: AuditedChange): string | null {
  const { variants = [] } = (detail as Detail | null)?.config ?? {};
  return variants.length === 0 ? null : [...new Set(variants.map(({ group, version }) => `${group}/${version}`))].join(' and ');
}

function reasonOf({ detail }: AuditedChange): string | null {
  const { reason } = (detail as Detail | null) ?? {};
  return typeof reason === 'string' ? reason : null;
}
