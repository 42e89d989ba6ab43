/** What people and the platform changed about an endpoint, from its records: versions where those changed, and how an update ended. */
import type { AuditBody } from '../../../src/api/index.ts';

export type Change = Omit<AuditBody, 'origin'>;

/** A change as the line of time shows it. */
export interface ChangeEntry {
  readonly kind: 'person';
  readonly id: string;
  readonly atMs: number;
  readonly title: string;
  readonly who: string;
  /** Null where the title says it all. */
  readonly why: string | null;
}

const titles: Readonly<Record<string, string>> = {
  CreateEndpoint: 'Created',
  UpdateEndpoint: 'Settings changed',
  RollBackEndpoint: 'Rolled back',
  UpdateScaling: 'Scaling changed',
  LoadEndpoint: 'Served again',
  UnloadEndpoint: 'Stopped',
  DeleteEndpoint: 'Deletion asked for',
  SetBaseline: 'Baseline set',
  DeleteBaseline: 'Baseline removed',
};

/** The latest first, as they come. What was refused changed nothing. */
export function changeEntries(changes: readonly Change[]): ChangeEntry[] {
  const done = changes.filter(({ action, outcome }) => outcome === 'ok' && titles[action] !== undefined);
  return done.map((change, index) => {
    const { id, at, who } = change;
    const earlier = done.slice(index + 1).find((other) => modelsOf(other) !== null);
    return {
      kind: 'person',
      id,
      atMs: Date.parse(at),
      title: titleOf(change, earlier === undefined ? null : modelsOf(earlier)),
      who: who === 'anonymous' ? 'somebody on this machine' : who,
      why: reasonOf(change),
    };
  });
}

function titleOf(change: Change, before: string | null): string {
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

function modelsOf({ detail }: Change): string | null {
  const { variants = [] } = (detail as Detail | null)?.config ?? {};
  return variants.length === 0 ? null : [...new Set(variants.map(({ group, version }) => `${group}/${version}`))].join(' and ');
}

function reasonOf({ detail }: Change): string | null {
  const { reason } = (detail as Detail | null) ?? {};
  return typeof reason === 'string' ? reason : null;
}
