/** Formats events for people: a mark, a sentence that follows the subject, and a link. */
import type { EventBody, UpdateBody } from '../../../../src/api/index.ts';
import type { StateKind } from '../state-mark.tsx';
import { fixed, ms } from './format.ts';
import { formatReason } from './format-reason.ts';

export interface EventText {
  readonly kind: StateKind;
  /** After the subject: `is in service`. */
  readonly text: string;
  readonly to: string;
}

/** Whether an event belongs in a short list. Measurements and alarms that get their first data do not. */
export function isNews({ kind, detail }: EventBody): boolean {
  if (kind.startsWith('profile.') || kind === 'endpoint.updating' || kind === 'endpoint.creating') return false;
  // `settings-changed` and the events of the update report the details.
  if (kind === 'endpoint.changed') return false;
  return (
    (detail as { oldState?: string } | null)?.oldState !== 'INSUFFICIENT_DATA' || (detail as { newState?: string }).newState === 'ALARM'
  );
}

type Detail = Readonly<Record<string, unknown>>;

const endpointTexts: Readonly<Record<string, readonly [StateKind, string]>> = {
  created: ['person', 'was created'],
  changed: ['person', 'was changed'],
  creating: ['changing', 'is being created'],
  updating: ['changing', 'is being updated without downtime'],
  'in-service': ['ok', 'is in service'],
  failed: ['bad', 'failed'],
  deployed: ['ok', 'was deployed without a canary'],
  'settings-changed': ['person', 'changed settings'],
  'load-requested': ['person', 'was requested to load'],
  'unload-requested': ['person', 'was requested to stop'],
  'update-started': ['changing', 'started a canary update'],
  'update-superseded': ['zero', 'abandoned its update for a newer change'],
  'update-rolled-back': ['bad', 'had its update rolled back'],
  'rolled-back': ['person', 'was rolled back to the previous version'],
  'update-completed': ['ok', 'completed its canary update'],
  'traffic-shifted': ['changing', 'shifted traffic to its update'],
  'step-completed': ['ok', 'passed a step of its update'],
  'step-extended': ['changing', 'extended a step of its update'],
  'update-paused': ['warn', 'paused its update'],
  'rolling-back': ['changing', 'is rolling back to the previous version'],
  unloaded: ['zero', 'was stopped; its settings are retained'],
  deleting: ['changing', 'is being deleted'],
  'delete-requested': ['person', 'was requested to be deleted'],
  deleted: ['zero', 'was deleted'],
  drifted: ['warn', 'receives data that drifted from its baseline'],
  'drift-ended': ['ok', 'receives data that matches its baseline again'],
  'objective-reachable': ['ok', 'can meet its objective again'],
  'objective-unreachable': ['warn', 'cannot meet its objective with any setting'],
};

const kindsWithReason: ReadonlySet<string> = new Set([
  'failed',
  'objective-unreachable',
  'update-rolled-back',
  'rolled-back',
  'step-extended',
  'update-paused',
]);

const otherTexts: Readonly<Record<string, readonly [StateKind, string, place: 'endpoints' | 'models']>> = {
  'model.created': ['person', 'was created (SageMaker Model)', 'models'],
  'model.deleted': ['zero', 'was deleted (SageMaker Model)', 'models'],
  'overflow.suspended': ['warn', 'suspended overflow to functions', 'endpoints'],
  'overflow.resumed': ['ok', 'resumed overflow to functions', 'endpoints'],
};

const versionTexts: Readonly<Record<string, readonly [StateKind, string]>> = {
  registered: ['warn', 'was registered and is pending approval'],
  approved: ['ok', 'was approved'],
  rejected: ['bad', 'was rejected'],
  failed: ['bad', 'could not be registered'],
  deleted: ['zero', 'was deleted'],
  updated: ['person', 'was updated'],
};

const alarmMarks: Readonly<Record<string, StateKind>> = { ALARM: 'bad', OK: 'ok', INSUFFICIENT_DATA: 'zero' };

const resourceWords: Readonly<Record<string, string>> = { async: 'asynchronous request', storage: 'database' };

/** `endpoint.in-service` as `Endpoint in service`. */
export function formatEventKind(kind: string): string {
  const [resource = '', ...rest] = kind.split('.');
  const words = `${resourceWords[resource] ?? resource} ${rest.join(' ').replaceAll('-', ' ')}`.trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Unknown kinds are shown in their own words, so that a new event of the server needs no change here. */
export function formatEvent({ kind, subject, detail }: EventBody): EventText {
  const facts = (typeof detail === 'object' && detail !== null ? detail : {}) as Detail;
  const [subjectKind = '', ...rest] = kind.split('.');
  const what = rest.join('.');
  const reason = typeof facts['reason'] === 'string' ? facts['reason'] : null;
  const because = (text: string): string => (reason === null ? text : `${text}: ${reason}`);
  const plain = what.replaceAll('-', ' ');
  if (subjectKind === 'endpoint') {
    const [mark, text] = endpointTexts[what] ?? ['person', plain];
    const sentence = kindsWithReason.has(what) ? because(text) : text;
    return { kind: mark, text: `${sentence}${formatSettings(what, facts)}`, to: `/endpoints/${subject}` };
  }
  if (subjectKind === 'version' || subjectKind === 'group') {
    const [mark, text] = (subjectKind === 'version' ? versionTexts[what] : undefined) ?? ['person', `was ${plain}`];
    return { kind: mark, text: what === 'failed' ? because(text) : text, to: `/models/${subject.split('/')[0] ?? ''}` };
  }
  if (subjectKind === 'decision') return formatDecisionEvent(subject, facts);
  if (subjectKind === 'alarm') return formatAlarmEvent(facts);
  if (subjectKind === 'budget') return { kind: 'warn', text: `budget ${plain}`, to: `/endpoints/${subject}` };
  if (subjectKind === 'profile') return { kind: 'ok', text: formatMeasurement(facts), to: `/models/${subject.split('/')[0] ?? ''}` };
  if (subjectKind === 'async' || subjectKind === 'transform') {
    const isBad = what === 'failed' || what === 'Failed';
    return {
      kind: isBad ? 'bad' : 'ok',
      text: because(`${subjectKind === 'async' ? 'asynchronous request' : 'transform'} ${plain.toLowerCase()}`),
      to: '/jobs',
    };
  }
  if (kind === 'worker.crashed') return { kind: 'bad', text: because('lost a worker'), to: `/endpoints/${subject}` };
  if (kind === 'storage.commits-lost') return { kind: 'bad', text: 'the database lost commits', to: '/monitoring' };
  if (kind === 'storage.database-damaged') return { kind: 'bad', text: 'the database is damaged', to: '/monitoring' };
  if (kind === 'storage.object-damaged') return { kind: 'bad', text: 'a stored file is damaged', to: '/monitoring' };
  if (kind === 'server.crashed') return { kind: 'bad', text: 'ended abruptly and was restarted', to: '/monitoring' };
  const other = otherTexts[kind];
  if (other === undefined) return { kind: 'person', text: formatEventKind(kind).toLowerCase(), to: '/monitoring' };
  const [mark, text, place] = other;
  return { kind: mark, text: because(text), to: place === 'models' ? '/models' : `/endpoints/${subject.split('/')[0] ?? ''}` };
}

/** `: objective from p95 ≤ 50 ms to p95 ≤ 20 ms and 3 more`, as in the command line; without details, the generation. */
function formatSettings(what: string, { settings, moreSettings: more, generation }: Detail): string {
  if (!Array.isArray(settings)) return what === 'changed' && typeof generation === 'number' ? `: generation ${generation}` : '';
  const changes = (settings as UpdateBody['settings'])
    .map(({ setting, from, to }) => `${setting} from ${formatReason(String(from ?? 'none'))} to ${formatReason(String(to ?? 'none'))}`)
    .join(', ');
  return typeof more === 'number' ? `: ${changes} and ${more} more` : `: ${changes}`;
}

function formatDecisionEvent(subject: string, facts: Detail): EventText {
  const id = typeof facts['id'] === 'string' ? `?tab=decisions&decision=${facts['id']}` : '?tab=decisions';
  const reason = typeof facts['reason'] === 'string' ? formatReason(facts['reason']) : '';
  return { kind: 'decision', text: `${formatChosen(facts['chosen'])} ${reason}`.trim(), to: `/endpoints/${subject}${id}` };
}

/** The executor and the median service time of one row. */
function formatMeasurement({ executor, p50Ms }: Detail): string {
  if (typeof executor !== 'string' || typeof p50Ms !== 'number') return 'was profiled';
  const [kind = '', size = ''] = executor.split(':');
  const where = kind === 'function' ? `a function with ${fixed(Number(size))} MB` : `an instance ${size}`;
  return `was profiled on ${where}: ${ms(p50Ms)} ms for one row`;
}

/** `2 × local.1:`, `batches of 8, 1,769 MB:`, `digits-cnn/1 answers:` */
function formatChosen(chosen: unknown): string {
  const { plan, batchSizeMax, memoryMiB, floorPlan } = (chosen ?? {}) as {
    plan?: Readonly<Record<string, number>>;
    batchSizeMax?: number;
    memoryMiB?: number;
    floorPlan?: string;
  };
  if (floorPlan !== undefined) return `${floorPlan} answers:`;
  if (plan !== undefined) {
    const parts = Object.entries(plan).map(([type, number]) => `${number} × ${type}`);
    return `${parts.length === 0 ? 'no instances' : parts.join(' and ')}:`;
  }
  return batchSizeMax === undefined ? '' : `batches of ${batchSizeMax}, ${fixed(memoryMiB)} MB:`;
}

function formatAlarmEvent(facts: Detail): EventText {
  const isFirst = facts['oldState'] === 'INSUFFICIENT_DATA';
  const state = typeof facts['newState'] === 'string' ? facts['newState'] : '';
  const texts: Readonly<Record<string, string>> = {
    ALARM: 'is firing',
    OK: isFirst ? 'has data and is OK' : 'is OK again',
    INSUFFICIENT_DATA: 'has too little data',
  };
  return { kind: alarmMarks[state] ?? 'warn', text: texts[state] ?? 'changed', to: '/monitoring?tab=alarms' };
}
