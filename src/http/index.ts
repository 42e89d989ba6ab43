export { closePort, errorBody, errorHeaders, httpStatus, httpStatusOf, requestIdOf } from '../connections/index.ts';
export { accessFields, markRejectedOnEntry, rememberCaller, type WriteAccess } from './access-log.ts';
export { BodyBudget, BodyHold, type BodyLimits } from './bodies/body-budget.ts';
export { clientClosedRequest, isBrokenOff } from './bodies/client-gone.ts';
export { sendContinue } from './bodies/continue.ts';
export { type BodyRead, isStreamedBody, readRawBodyInto, readRequestBody, readRequestBodyInto } from './bodies/read-body.ts';
export { serveConsole } from './console.ts';
export type { HttpScope, HttpScope as FastifyInstance } from './control-plane.ts';
export { blockedFromMs, LoopWatchdog } from './guards/loop-watchdog.ts';
export { openGuards } from './guards/open-guards.ts';
export { garbageCollector, memoryMeter, OverloadGuard } from './guards/overload-guard.ts';
export { drainServers } from './listener/drain-servers.ts';
export type { FrontPort } from './listener/front-port.ts';
export {
  type CallingRequest,
  type Claim,
  type DirectHandler,
  Listener,
  type ListenerOptions,
} from './listener/listener.ts';
export { defaultLimits, type ListenerLimits } from './listener/listener-limits.ts';
export { meterBodies, openListener } from './listener/open-listener.ts';
export { reachableUrl } from './listener/reachable-url.ts';
export { type Certificate, selfSignedCertificate } from './listener/self-signed.ts';
export { loadCertificate } from './listener/tls.ts';
export { describeApi, type OpenApiOptions } from './open-api.ts';
export { respond } from './respond.ts';
