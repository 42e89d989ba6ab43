export { answer } from './answer.ts';
export type { HttpScope, HttpScope as FastifyInstance } from './control-plane.ts';
export { errorBody, errorHeaders, httpStatus } from './errors.ts';
export { type Claim, type DirectHandler, defaultLimits, Listener, type ListenerLimits, type ListenerOptions } from './listener.ts';
export { describeApi, type OpenApiOptions } from './open-api.ts';
export { type BodyRead, readBody, readBodyInto, readRawBodyInto } from './read-body.ts';
export { requestIdOf } from './request-id.ts';
export { type Certificate, selfSignedCertificate } from './self-signed.ts';
export { loadCertificate } from './tls.ts';
