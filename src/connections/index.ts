export { closePort } from './close-port.ts';
export { FastConnections } from './fast-connections.ts';
export { type FastHead, FastHeads, streamedBodyBytesMax } from './fast-head.ts';
export { FastRequest, FastResponse } from './fast-message.ts';
export { errorBody, errorHeaders, httpStatus, httpStatusOf } from './http-errors.ts';
export { acceptedEncoding, replyHeaders, sendInference } from './inference-reply.ts';
export { requestIdOf } from './request-id.ts';
export { StalledResponses } from './stalled-responses.ts';
export { silentMaxOf, TcpConnections } from './tcp-connections.ts';
