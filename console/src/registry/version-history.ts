/** What happened to versions, told from what is kept of them. Pure. */
import type { VersionBody } from '../../../src/api/index.ts';

export interface Happened {
  readonly key: string;
  readonly atMs: number;
  readonly title: string;
  readonly why: string;
  readonly kind: 'person' | 'ok' | 'bad';
}

/** The latest first. */
export function happened(versions: readonly VersionBody[]): Happened[] {
  const all = versions.flatMap((version): Happened[] => {
    const registered: Happened = {
      key: `${version.name} registered`,
      atMs: Date.parse(version.created_at),
      title: `${version.name} was registered by ${person(version.created_by)}`,
      why: version.description === '' ? `From ${version.source_name}.` : version.description,
      kind: 'person',
    };
    const { approval, approval_changed_at: at, approval_changed_by: by, approval_note: note } = version;
    if (at === null || approval === 'PendingManualApproval') return [registered];
    const isApproved = approval === 'Approved';
    const title = `${version.name} was ${isApproved ? 'approved' : 'rejected'} by ${person(by)}`;
    return [registered, { key: `${version.name} decided`, atMs: Date.parse(at), title, why: note ?? '', kind: isApproved ? 'ok' : 'bad' }];
  });
  return all.toSorted((a, b) => b.atMs - a.atMs);
}

function person(keyId: string | null): string {
  return keyId === 'anonymous' || keyId === null ? 'this machine' : keyId;
}
