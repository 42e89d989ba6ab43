export {
  type ArrivalEffect,
  type CloseReason,
  type HoldPolicy,
  leavesAtMs,
  type OpenBatch,
  predictCompletionMs,
  priorityShiftMs,
  residualMs,
  type Server,
  take,
  type Waiting,
  whenArrives,
} from './dispatch-rule.ts';
export type { WaitPolicy, WaitTable } from './wait-table.ts';
