export { abruptEnds, lostLinesText, recordAbruptEnd } from './abrupt-end.ts';
export type { AccessLine } from './access-line.ts';
export { FileGroup } from './log-groups/file-group.ts';
export { compileFilter } from './log-groups/filter-pattern.ts';
export {
  type LogEvent,
  type LogGroupView,
  type LogPage,
  type LogStreamView,
  pageBytesMax as logPageBytesMax,
} from './log-groups/log-event.ts';
export { type LogEventInput, LogGroups } from './log-groups/log-groups.ts';
export {
  accessLogGroup,
  endpointLogGroup,
  isWorkerStream,
  logEvent,
  logFailure,
  logWorkerLine,
  platformLogGroup,
  requestsLogGroup,
} from './log-groups/platform-lines.ts';
export { type Log, type LogLevel, type LogOptions, type Logs, logFileCount, logLevels, openLogs } from './logs.ts';
export { RepeatedWarning } from './repeated-warning.ts';
export type { RequestEnd } from './request-log/line-sampler.ts';
export type { PlanLine, RequestLine } from './request-log/request-line.ts';
export { RequestTraces } from './traces/request-traces.ts';
export { passedTrace, type TraceContext } from './traces/trace-context.ts';
export { TraceExporter } from './traces/trace-exporter.ts';
