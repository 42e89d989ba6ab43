/** Encodes errors in the caller's protocol: never HTML, never plain text. */
import { messageOf, PlatformError } from '../../errors.ts';
import { AwsError, type AwsServiceName } from '../service.ts';
import type { OperationShapes, ServiceShapes, Shape } from '../shapes/shapes.ts';
import { type ErrorForm, errorCodes, rejectionCodes } from './error-codes.ts';
import { encodeDocument } from './json-document.ts';
import { SignatureError } from './signatures/signature-error.ts';
import { element, writeXml, type XmlElement, xmlDeclaration } from './xml.ts';

/** An error ready to be encoded. */
export interface WireError {
  readonly code: string;
  readonly status: number;
  readonly message: string;
  readonly members: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  /** True for a server fault, which must be logged. */
  readonly isOurs: boolean;
}

/** Maps any thrown value to the error that the service reports in this form. */
export function wireErrorOf(thrown: unknown, service: AwsServiceName, form: ErrorForm, requestId: string): WireError {
  const plain = { members: {}, headers: {}, isOurs: false };
  if (thrown instanceof SignatureError) {
    return { ...plain, ...rejectionCodes[form][thrown.reason], message: thrown.message };
  }
  if (thrown instanceof AwsError) {
    const { code, httpStatus: status, message, members, headers } = thrown;
    return { code, status, message, members, headers, isOurs: false };
  }
  const error = thrown instanceof PlatformError ? thrown : new PlatformError('internal', messageOf(thrown));
  if (error.code === 'unauthenticated') return { ...plain, ...rejectionCodes[form].missing, message: error.message };
  if (error.code === 'forbidden') return { ...plain, ...rejectionCodes[form].forbidden, message: error.message };
  const named = errorCodes[service][error.code];
  if (error.code === 'internal') {
    return { ...plain, ...named, message: `internal server error: see the server log for request ${requestId}`, isOurs: true };
  }
  const message = error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
  const isModels = error.code === 'model_failed' || error.code === 'deadline_exceeded';
  const members = isModels && service === 'sagemaker-runtime' ? originalOf(error.code === 'model_failed' ? 500 : 0, error.message) : {};
  return { ...plain, ...named, message, members, headers: retryAfter(error) };
}

/** The additional members of a ModelError. */
function originalOf(status: number, message: string): Record<string, unknown> {
  return { OriginalStatusCode: status, OriginalMessage: message };
}

function retryAfter({ code, retryAfterMs }: PlatformError): Record<string, string> {
  if (code !== 'overloaded' && code !== 'unavailable') return {};
  return { 'retry-after': String(Math.max(1, Math.ceil((retryAfterMs ?? 1000) / 1000))) };
}

/** An encoded error, ready to be sent. */
export interface ErrorReply {
  readonly status: number;
  /** Alternating names and values. */
  readonly headers: readonly string[];
  readonly body: string;
}

/** What encoding an error needs to know about its request. */
export interface ErrorContext {
  readonly requestId: string;
  /** The path, which S3 includes in its error responses. */
  readonly resource: string;
  /** The shapes of the service, and of the operation once it is known. */
  readonly shapes: ServiceShapes | null;
  readonly operation: OperationShapes | null;
}

/** Encodes an error in the protocol `form`. The id of the request is in each form. */
export function errorReply(error: WireError, form: ErrorForm, context: ErrorContext): ErrorReply {
  const { status } = error;
  const more = Object.entries(error.headers).flat();
  if (form === 'rest-xml') {
    return {
      status,
      headers: ['content-type', 'application/xml', 'x-amz-request-id', context.requestId, ...more],
      body: s3Body(error, context),
    };
  }
  const id = ['x-amzn-requestid', context.requestId];
  if (form === 'query') return { status, headers: ['content-type', 'text/xml', ...id, ...more], body: queryBody(error, context) };
  if (form === 'json-1.0') {
    const shape = shapeOf(error.code, context);
    const fault = status >= 500 ? 'Receiver' : 'Sender';
    const queryError = ['x-amzn-query-error', `${shape?.error?.code ?? error.code};${fault}`];
    const headers = [
      'content-type',
      'application/x-amz-json-1.0',
      'x-amzn-errortype',
      shape?.name ?? error.code,
      ...queryError,
      ...id,
      ...more,
    ];
    return { status, headers, body: jsonBody(shape?.name ?? error.code, error) };
  }
  const type = form === 'rest-json' ? 'application/json' : 'application/x-amz-json-1.1';
  return { status, headers: ['content-type', type, 'x-amzn-errortype', error.code, ...id, ...more], body: jsonBody(error.code, error) };
}

/** JSON 1.0 identifies errors by shape name, but handlers may throw codes of the query protocol. */
function shapeOf(code: string, { shapes, operation }: ErrorContext): Shape | null {
  const declared = operation?.errors ?? [];
  const named = declared.find(({ name }) => name === code) ?? declared.find(({ error }) => error?.code === code);
  return named ?? shapes?.errorOfCode(code) ?? null;
}

/** Clients expect either spelling of the message member. */
function jsonBody(type: string, { message, members }: WireError): string {
  return encodeDocument({ __type: type, Message: message, message, ...members });
}

function queryBody({ code, status, message }: WireError, { requestId }: ErrorContext): string {
  const fault = element('Type', status >= 500 ? 'Receiver' : 'Sender');
  const error = element('Error', [fault, element('Code', code), element('Message', message)]);
  return xmlDeclaration + writeXml(element('ErrorResponse', [error, element('RequestId', requestId)]));
}

function s3Body({ code, message, members }: WireError, { requestId, resource }: ErrorContext): string {
  const own: XmlElement[] = Object.entries(members).map(([name, value]) => element(name, String(value)));
  const rest = [element('Resource', resource), element('RequestId', requestId)];
  return xmlDeclaration + writeXml(element('Error', [element('Code', code), element('Message', message), ...own, ...rest]));
}
