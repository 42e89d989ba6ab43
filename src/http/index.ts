export { closePort, errorBody, errorHeaders, httpStatus, httpStatusOf, requestIdOf } from '../connections/index.ts';
export { accessFields, markRejectedOnEntry, rememberCaller, type WriteAccess } from './access-log.ts';
export { BodyBudget, BodyHold, type BodyLimits } from './body-budget.ts';
export { clientClosedRequest, isBrokenOff } from './client-gone.ts';
export { serveConsole } from './console.ts';
export { sendContinue } from './continue.ts';
export type { HttpScope, HttpScope as FastifyInstance } from './control-plane.ts';
export { drainServers } from './drain-servers.ts';
export type { FrontPort } from './front-port.ts';
export {
  type CallingRequest,
  type Claim,
  type DirectHandler,
  Listener,
  type ListenerOptions,
} from './listener.ts';
export { defaultLimits, type ListenerLimits } from './listener-limits.ts';
export { blockedFromMs, LoopWatchdog } from './loop-watchdog.ts';
export { describeApi, type OpenApiOptions } from './open-api.ts';
export { openGuards } from './open-guards.ts';
export { meterBodies, openListener } from './open-listener.ts';
export { garbageCollector, memoryMeter, OverloadGuard } from './overload-guard.ts';
export { reachableUrl } from './reachable-url.ts';
export { type BodyRead, isStreamedBody, readRawBodyInto, readRequestBody, readRequestBodyInto } from './read-body.ts';
export { respond } from './respond.ts';
export { type Certificate, selfSignedCertificate } from './self-signed.ts';
export { loadCertificate } from './tls.ts';
