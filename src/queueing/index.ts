export { type CloseReason, predictCompletionMs, priorityShiftMs, residualMs, type Server, take, type Waiting } from './dispatch-rule.ts';
