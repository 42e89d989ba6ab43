/** Stores the decision of a selection, and the tests that prove it, in the transaction that deploys its plans. */
import type { Clock } from '../../clock.ts';
import type { TransactionHook } from '../../deployment/index.ts';
import type { Decisions, Events, PlatformEvent } from '../../records/index.ts';
import type { PlannedLadder } from './ladder-planner.ts';
import { selectionDecision } from './selection-decision.ts';
import type { SelectionTests } from './selection-tests.ts';

export interface SelectionRecorderOptions {
  readonly decisions: Pick<Decisions, 'recordIn'>;
  readonly events: Pick<Events, 'publish'>;
  readonly clock: Clock;
  readonly tests: Pick<SelectionTests, 'add'>;
}

/** A decision to be stored. */
export interface SelectionRecording {
  readonly hook: TransactionHook;
  /** Call after the commit. */
  publish(): void;
}

/** A deployment that fails leaves neither a decision nor a used level. */
export class SelectionRecorder {
  readonly #options: SelectionRecorderOptions;

  constructor(options: SelectionRecorderOptions) {
    this.#options = options;
  }

  /** `trigger`: `deploy`, `asked`, `release`. */
  recording({ findings, tests: { earlier, fresh } }: Pick<PlannedLadder, 'findings' | 'tests'>, trigger: string): SelectionRecording {
    const { decisions, events, clock, tests } = this.#options;
    let recorded: PlatformEvent | null = null;
    return {
      hook: async (tx, { config }, before) => {
        recorded = null;
        await tests.add(tx, config.name, earlier, fresh, clock.wallMs());
        for (const { name, ladder } of config.variants) {
          if (ladder?.selection === undefined) continue;
          const old = before?.variants.find((each) => each.name === name)?.ladder;
          const record = { endpoint: config.name, variant: name, trigger, before: old, now: ladder };
          recorded = (await decisions.recordIn(tx, selectionDecision(findings, record))).event;
        }
      },
      publish: () => {
        if (recorded !== null) events.publish(recorded);
      },
    };
  }
}
