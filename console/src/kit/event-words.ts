/** Events as people say them: a mark, a sentence after the name, where it leads. */
import type { EventBody, UpdateBody } from '../../../src/api/index.ts';
import { fixed, ms } from './format.ts';
import { reasonWords } from './reason-words.ts';
import type { StateKind } from './state-mark.tsx';

export interface EventWords {
  readonly kind: StateKind;
  /** After the subject: `is in service`. */
  readonly text: string;
  readonly to: string;
}

/** Whether it is worth a line among a few: an alarm that begins to be quiet, or a measurement, is not. */
export function isNews({ kind, detail }: EventBody): boolean {
  if (kind.startsWith('profile.') || kind === 'endpoint.updating' || kind === 'endpoint.creating') return false;
  // Which settings, or which versions, is told beside.
  if (kind === 'endpoint.changed') return false;
  return (
    (detail as { oldState?: string } | null)?.oldState !== 'INSUFFICIENT_DATA' || (detail as { newState?: string }).newState === 'ALARM'
  );
}

type Detail = Readonly<Record<string, unknown>>;

const ofEndpoints: Readonly<Record<string, readonly [StateKind, string]>> = {
  created: ['person', 'was created'],
  changed: ['person', 'was changed'],
  creating: ['changing', 'is being created'],
  updating: ['changing', 'is being updated, without a failed request'],
  'in-service': ['ok', 'is in service'],
  failed: ['bad', 'failed'],
  deployed: ['ok', 'has other versions in full service, which nobody watched'],
  'settings-changed': ['person', 'was given other settings'],
  'load-requested': ['person', 'is to be served again'],
  'unload-requested': ['person', 'is to be stopped'],
  'update-begun': ['changing', 'begins an update that is watched'],
  'update-superseded': ['zero', 'gave its update up for another change'],
  'update-taken-back': ['bad', 'had its update taken back'],
  'rolled-back': ['person', 'was rolled back to the version before'],
  'update-kept': ['ok', 'keeps its update, which was watched to its end'],
  'traffic-shifted': ['changing', 'gives its update a share of the requests'],
  'step-watched': ['ok', 'goes on with its update: the step did well'],
  'rolling-back': ['changing', 'goes back to what it served before'],
  unloaded: ['zero', 'was stopped; its settings are kept'],
  deleting: ['changing', 'is being deleted'],
  'delete-requested': ['person', 'is to be deleted'],
  deleted: ['zero', 'was deleted'],
  drifted: ['warn', 'gets other data than it used to'],
  'drift-ended': ['ok', 'gets the data that it used to'],
  'objective-reachable': ['ok', 'can keep its objective again'],
  'objective-unreachable': ['warn', 'cannot keep its objective with any setting'],
};

const withReason: ReadonlySet<string> = new Set(['failed', 'objective-unreachable', 'update-taken-back', 'rolled-back']);

const ofOthers: Readonly<Record<string, readonly [StateKind, string, place: 'endpoints' | 'models']>> = {
  'model.created': ['person', "was made, a Model of SageMaker's API", 'models'],
  'model.deleted': ['zero', "was deleted, a Model of SageMaker's API", 'models'],
  'overflow.suspended': ['warn', 'gets no help from functions', 'endpoints'],
  'overflow.resumed': ['ok', 'gets help from functions again', 'endpoints'],
};

const ofVersions: Readonly<Record<string, readonly [StateKind, string]>> = {
  registered: ['warn', 'was registered and waits for approval'],
  approved: ['ok', 'was approved'],
  rejected: ['bad', 'was rejected'],
  failed: ['bad', 'could not be registered'],
  deleted: ['zero', 'was deleted'],
  updated: ['person', 'was described anew'],
};

const states: Readonly<Record<string, StateKind>> = { ALARM: 'bad', OK: 'ok', INSUFFICIENT_DATA: 'zero' };

export function eventWords({ kind, subject, detail }: EventBody): EventWords {
  const facts = (typeof detail === 'object' && detail !== null ? detail : {}) as Detail;
  const [thing = '', ...rest] = kind.split('.');
  const what = rest.join('.');
  const reason = typeof facts['reason'] === 'string' ? facts['reason'] : null;
  const because = (text: string): string => (reason === null ? text : `${text}: ${reason}`);
  const plain = what.replaceAll('-', ' ');
  if (thing === 'endpoint') {
    const [mark, text] = ofEndpoints[what] ?? ['person', plain];
    const told = withReason.has(what) ? because(text) : text;
    return { kind: mark, text: `${told}${settingsWords(what, facts)}`, to: `/endpoints/${subject}` };
  }
  if (thing === 'version' || thing === 'group') {
    const [mark, text] = (thing === 'version' ? ofVersions[what] : undefined) ?? ['person', `was ${plain}`];
    return { kind: mark, text: what === 'failed' ? because(text) : text, to: `/models/${subject.split('/')[0] ?? ''}` };
  }
  if (thing === 'decision') return decisionWords(subject, facts);
  if (thing === 'alarm') return alarmWords(facts);
  if (thing === 'budget') return { kind: 'warn', text: `budget ${plain}`, to: `/endpoints/${subject}` };
  if (thing === 'profile') return { kind: 'ok', text: measuredWords(facts), to: `/models/${subject.split('/')[0] ?? ''}` };
  if (thing === 'async' || thing === 'transform') {
    const isBad = what === 'failed' || what === 'Failed';
    return {
      kind: isBad ? 'bad' : 'ok',
      text: because(`${thing === 'async' ? 'asynchronous request' : 'transform'} ${plain.toLowerCase()}`),
      to: '/jobs',
    };
  }
  if (kind === 'worker.ended-abruptly') return { kind: 'bad', text: because('lost a worker'), to: `/endpoints/${subject}` };
  if (kind === 'server.ended-abruptly') return { kind: 'bad', text: 'ended abruptly, and was started again', to: '/monitoring' };
  const other = ofOthers[kind];
  if (other === undefined) return { kind: 'person', text: kind, to: '/monitoring' };
  const [mark, text, place] = other;
  return { kind: mark, text: because(text), to: place === 'models' ? '/models' : `/endpoints/${subject.split('/')[0] ?? ''}` };
}

/** `: objective from p95 ≤ 50 ms to p95 ≤ 20 ms and 3 more`, as the shell says it; of a change that does not say which, its number. */
function settingsWords(what: string, { settings, moreSettings: more, generation }: Detail): string {
  if (!Array.isArray(settings)) return what === 'changed' && typeof generation === 'number' ? `: generation ${generation}` : '';
  const told = (settings as UpdateBody['settings'])
    .map(({ setting, from, to }) => `${setting} from ${reasonWords(String(from ?? 'none'))} to ${reasonWords(String(to ?? 'none'))}`)
    .join(', ');
  return typeof more === 'number' ? `: ${told} and ${more} more` : `: ${told}`;
}

function decisionWords(subject: string, facts: Detail): EventWords {
  const id = typeof facts['id'] === 'string' ? `?tab=decisions&decision=${facts['id']}` : '?tab=decisions';
  const reason = typeof facts['reason'] === 'string' ? reasonWords(facts['reason']) : '';
  return { kind: 'decision', text: `${chosenWords(facts['chosen'])} ${reason}`.trim(), to: `/endpoints/${subject}${id}` };
}

/** How long one row took where, of a model that was measured. */
function measuredWords({ executor, p50Ms }: Detail): string {
  if (typeof executor !== 'string' || typeof p50Ms !== 'number') return 'was measured';
  const [kind = '', size = ''] = executor.split(':');
  const where = kind === 'function' ? `a function of ${fixed(Number(size))} MB` : `an instance ${size}`;
  return `was measured on ${where}: ${ms(p50Ms)} ms for one row`;
}

/** `2 × local.1:`, `batches of 8, 1,769 MB:` */
function chosenWords(chosen: unknown): string {
  const { plan, batchSizeMax, memoryMiB } = (chosen ?? {}) as {
    plan?: Readonly<Record<string, number>>;
    batchSizeMax?: number;
    memoryMiB?: number;
  };
  if (plan !== undefined) {
    const parts = Object.entries(plan).map(([type, number]) => `${number} × ${type}`);
    return `${parts.length === 0 ? 'no instances' : parts.join(' and ')}:`;
  }
  return batchSizeMax === undefined ? '' : `batches of ${batchSizeMax}, ${fixed(memoryMiB)} MB:`;
}

function alarmWords(facts: Detail): EventWords {
  const isFirst = facts['oldState'] === 'INSUFFICIENT_DATA';
  const state = typeof facts['newState'] === 'string' ? facts['newState'] : '';
  const words: Readonly<Record<string, string>> = {
    ALARM: 'rings',
    OK: isFirst ? 'watches, and is quiet' : 'is quiet again',
    INSUFFICIENT_DATA: 'knows too little',
  };
  return { kind: states[state] ?? 'warn', text: words[state] ?? 'changed', to: '/monitoring?tab=alarms' };
}
