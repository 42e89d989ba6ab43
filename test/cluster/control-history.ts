/** Clients that create, change, delete and approve the same few things at random nodes, and whether one order of their calls explains all answers. */
import type { Random } from '../../src/random.ts';
import { type Call, type SequentialModel, whyNotLinearizable } from './linearizability.ts';

export interface ControlOptions {
  /** The nodes at present. */
  readonly urls: () => readonly string[];
  readonly key?: string;
  readonly random: Random;
  readonly clients: number;
  /** An approved version that no endpoint but those of the history uses: `digits/1`. */
  readonly model: string;
  /** Versions that no endpoint uses: `spare/1`. */
  readonly spares: readonly string[];
  /** Number of endpoint names. */
  readonly names: number;
}

type Step =
  | { readonly kind: 'create' | 'update'; readonly timeoutMs: number }
  | { readonly kind: 'delete' | 'describe' }
  | { readonly kind: 'decide'; readonly approval: string }
  | { readonly kind: 'describe version' };

/** What the caller learned: a state, or that there is nothing or something already. */
type StepResult = string | number;

type State = StepResult | null;

/**
 * An endpoint's timeout, or a version's approval; null if it does not exist. A deleted endpoint ends its workers before its name is free:
 * until then it counts as absent, and a rejected creation says nothing.
 */
function modelOf(initial: State): SequentialModel<State, Step, StepResult> {
  return {
    initial,
    keyOf: (value) => JSON.stringify(value),
    step: (state, input) => {
      switch (input.kind) {
        case 'create':
          return state === null ? { state: input.timeoutMs, output: 'done' } : { state, output: 'exists' };
        case 'update':
          return state === null ? { state, output: 'absent' } : { state: input.timeoutMs, output: 'done' };
        case 'delete':
          return { state: null, output: 'done' };
        case 'decide':
          return { state: input.approval, output: 'done' };
        case 'describe':
        case 'describe version':
          return { state, output: state ?? 'absent' };
      }
    },
  };
}

/** The history of each name, and what is known about all of them. */
export class ControlHistory {
  readonly #options: ControlOptions;
  readonly #histories = new Map<string, Call<Step, StepResult>[]>();
  readonly #approvals = ['Approved', 'Rejected', 'PendingManualApproval'];
  #time = 0;
  /** Calls whose outcome is known, and others. */
  readonly counts = { known: 0, refused: 0, unknown: 0 };

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  /** Calls until `isOver`, or this number of calls is known. Throws at an answer that no state explains. */
  async run(isOver: () => boolean): Promise<void> {
    const { clients } = this.#options;
    await Promise.all(Array.from({ length: clients }, () => this.#client(isOver)));
  }

  /** Null if each name's history is linearizable. */
  whyNotLinearizable(): string | null {
    for (const [name, calls] of this.#histories) {
      const history = withoutUnseen(calls);
      const why = whyNotLinearizable(history, modelOf(name.includes('/') ? 'PendingManualApproval' : null));
      if (why !== null) return `${name}: ${why}`;
    }
    return null;
  }

  async #client(isOver: () => boolean): Promise<void> {
    const { random, names, spares } = this.#options;
    const oneOf = <T>(of: readonly T[]): T => of[Math.floor(random.next() * of.length)] as T;
    const endpoints = Array.from({ length: names }, (_, index) => `name${index}`);
    while (!isOver()) {
      const name = oneOf([...endpoints, ...spares]);
      const step: Step = name.includes('/')
        ? oneOf<Step>([{ kind: 'decide', approval: oneOf(this.#approvals) }, { kind: 'describe version' }])
        : oneOf<Step>([
            { kind: 'create', timeoutMs: 1000 + Math.floor(random.next() * 1e6) },
            { kind: 'update', timeoutMs: 1000 + Math.floor(random.next() * 1e6) },
            { kind: 'delete' },
            { kind: 'describe' },
          ]);
      const beganAt = this.#time++;
      const output = await this.#call(oneOf(this.#options.urls()), name, step);
      this.counts[output === undefined ? 'unknown' : output === 'nothing done' ? 'refused' : 'known']++;
      const isRead = step.kind === 'describe' || step.kind === 'describe version';
      if (output === 'being deleted' || output === 'nothing done' || (output === undefined && isRead)) continue;
      const history = this.#histories.get(name) ?? [];
      history.push({ input: step, output, beganAt, endedAt: output === undefined ? Number.POSITIVE_INFINITY : this.#time++ });
      this.#histories.set(name, history);
    }
  }

  /** Undefined if it may have taken effect or not. */
  async #call(url: string, name: string, step: Step): Promise<StepResult | undefined> {
    const { model } = this.#options;
    switch (step.kind) {
      case 'create': {
        const variants = [{ model, instance_count: 0, functions: { memory_mib: 1024 } }];
        return this.#outcome(url, 'POST', '/endpoints', { name, variants, timeout_ms: step.timeoutMs });
      }
      case 'update':
        return this.#outcome(url, 'PATCH', `/endpoints/${name}`, { timeout_ms: step.timeoutMs });
      case 'delete':
        return this.#outcome(url, 'DELETE', `/endpoints/${name}`);
      case 'describe':
        return this.#outcome(url, 'GET', `/endpoints/${name}`, undefined, 'timeout_ms');
      case 'decide':
        return this.#outcome(url, 'POST', `${versionPath(name)}/approval`, { approval: step.approval });
      case 'describe version':
        return this.#outcome(url, 'GET', versionPath(name), undefined, 'approval');
    }
  }

  async #outcome(url: string, method: string, path: string, body?: unknown, read?: string): Promise<StepResult | undefined> {
    const { key } = this.#options;
    let status: number;
    let text: string;
    try {
      const response = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(20_000),
      });
      status = response.status;
      text = await response.text();
    } catch {
      return undefined;
    }
    if (status === 503 && saysNothingWasDone(text)) return 'nothing done';
    if (status === 503 || status === 504) return undefined;
    const answer = (text === '' ? {} : JSON.parse(text)) as Readonly<Record<string, StepResult>>;
    const isBeingDeleted = (status === 409 && text.includes('being deleted')) || answer['status'] === 'Deleting';
    if (isBeingDeleted) return method === 'POST' ? 'being deleted' : 'absent';
    if (status === 404) return method === 'DELETE' ? 'done' : 'absent';
    if (status === 409 && answer['code'] === 'already_exists') return 'exists';
    if (status < 300) return read === undefined ? 'done' : (answer[read] ?? 'absent');
    throw new Error(`${method} ${path} was answered ${status}: ${text}`);
  }
}

/**
 * Without updates of unknown outcome whose value was never read. Such an update may as well not have happened, because it changes neither what
 * exists nor what others read; and each one would double the orders to try.
 */
function withoutUnseen(calls: readonly Call<Step, StepResult>[]): Call<Step, StepResult>[] {
  const seen = new Set(calls.map(({ output }) => output));
  return calls.filter(({ input, output }) => output !== undefined || input.kind !== 'update' || seen.has(input.timeoutMs));
}

/** Whether the call was refused before it did anything. A connection to the database may also be lost after a change was stored. */
function saysNothingWasDone(text: string): boolean {
  return refusals.some((refusal) => refusal.test(text));
}

const refusals = [/no node of the cluster serves requests at the moment/, /nothing was written/];

function versionPath(name: string): string {
  const [group, version] = name.split('/');
  return `/groups/${group}/versions/${version}`;
}
