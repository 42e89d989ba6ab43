/** Judges plans in a thread: some hundred plans over up to 100,000 rows. */
import { type JudgedPlans, judgePlans, type PlanConditions, type SelectableModel } from '../../selection/index.ts';
import { type ThreadTask, threadTask } from '../../threads/index.ts';

/** Labels and stored outcomes of the candidates. */
export interface JudgePlansInput {
  readonly labels: Int32Array;
  readonly models: readonly SelectableModel[];
  readonly conditions: PlanConditions;
}

/** Pure, and too long for the event loop. */
export const judgePlansTask: ThreadTask<JudgePlansInput, JudgedPlans> = threadTask(import.meta.url, 'judgePlansTask', (input) =>
  judgePlans(input.labels, input.models, input.conditions),
);
