/** The forms of an endpoint's settings and traffic: their drafts, and the changes to request. Pure. */
import type { EndpointBody } from '../../../../src/api/index.ts';

export interface SettingsDraft {
  readonly objective: string;
  readonly late: 'serve' | 'shed';
  readonly timeoutS: number;
  readonly description: string;
  readonly isCaptured: boolean;
  readonly capturePercent: number;
}

export function settingsDraftOf(endpoint: EndpointBody): SettingsDraft {
  return {
    objective: endpoint.objective ?? '',
    late: endpoint.late,
    timeoutS: endpoint.timeout_ms / 1000,
    description: endpoint.description ?? '',
    isCaptured: endpoint.capture !== null,
    capturePercent: endpoint.capture?.percent ?? 100,
  };
}

/** Only the changed fields, so that concurrent changes of other fields are not overwritten. */
export function settingsChangesOf(endpoint: EndpointBody, draft: SettingsDraft): Record<string, unknown> {
  const before = settingsDraftOf(endpoint);
  const changes: Record<string, unknown> = {};
  if (draft.objective.trim() !== before.objective) changes['objective'] = draft.objective.trim() === '' ? null : draft.objective.trim();
  if (draft.late !== before.late) changes['late'] = draft.late;
  if (draft.timeoutS !== before.timeoutS) changes['timeout_ms'] = draft.timeoutS * 1000;
  if (draft.description !== before.description) changes['description'] = draft.description;
  if (draft.isCaptured !== before.isCaptured || (draft.isCaptured && draft.capturePercent !== before.capturePercent)) {
    changes['capture'] = draft.isCaptured ? { percent: draft.capturePercent } : null;
  }
  return changes;
}

/** All variants, because a variant that is not listed would be removed, but only their weights. */
export function weightChangesOf(endpoint: EndpointBody, weights: Readonly<Record<string, number>>): Record<string, unknown> {
  return { variants: endpoint.variants.map(({ name, weight }) => ({ name, weight: weights[name] ?? weight })) };
}
