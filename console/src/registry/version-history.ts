/** Derives the history of versions from their current fields. Pure functions. */
import type { VersionBody } from '../../../src/api/index.ts';

export interface HistoryEntry {
  readonly key: string;
  readonly atMs: number;
  readonly title: string;
  readonly why: string;
  readonly kind: 'person' | 'ok' | 'bad';
}

/** Entries, latest first. */
export function historyEntries(versions: readonly VersionBody[]): HistoryEntry[] {
  const all = versions.flatMap((version): HistoryEntry[] => {
    const registered: HistoryEntry = {
      key: `${version.name} registered`,
      atMs: Date.parse(version.created_at),
      title: `${version.name} was registered by ${formatCaller(version.created_by)}`,
      why: version.description === '' ? `From ${version.source_name}.` : version.description,
      kind: 'person',
    };
    const { approval, approval_changed_at: at, approval_changed_by: by, approval_note: note } = version;
    if (at === null || approval === 'PendingManualApproval') return [registered];
    const isApproved = approval === 'Approved';
    const title = `${version.name} was ${isApproved ? 'approved' : 'rejected'} by ${formatCaller(by)}`;
    return [registered, { key: `${version.name} decided`, atMs: Date.parse(at), title, why: note ?? '', kind: isApproved ? 'ok' : 'bad' }];
  });
  return all.toSorted((a, b) => b.atMs - a.atMs);
}

function formatCaller(keyId: string | null): string {
  return keyId === 'anonymous' || keyId === null ? 'a local user' : keyId;
}
