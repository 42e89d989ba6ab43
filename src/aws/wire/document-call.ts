/** Processes one document call, from verified bytes to the bytes of the response. */
import type { IncomingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { PlatformError } from '../../errors.ts';
import { AwsError, type AwsInput, type AwsOperation, type AwsOutput, type AwsService } from '../service.ts';
import { checkInput } from '../shapes/check-input.ts';
import { type OperationShapes, type ServiceShapes, shapesOf } from '../shapes/shapes.ts';
import type { ErrorForm } from './error-codes.ts';
import { encodeDocument, parseDocument } from './json-document.ts';
import { encodeQueryResponse, QueryForm } from './query-document.ts';

const unpack = promisify(gunzip);

/** A service with AWS's model of it. */
export interface DocumentService {
  readonly service: AwsService;
  readonly shapes: ServiceShapes;
}

/** Throws if the service's model is missing. */
export function documentService(service: AwsService): DocumentService {
  if (service.name === 's3') throw new PlatformError('internal', 'S3 calls are not documents');
  return { service, shapes: shapesOf(service.name) };
}

/** A call of a known operation, before authorization. */
export interface DecodedCall {
  readonly operation: string;
  readonly row: AwsOperation;
  readonly shapes: OperationShapes;
  /** Not validated yet: call `checkedInput` once the caller is authorized. */
  readonly document: Record<string, unknown>;
}

const noShapes: OperationShapes = { input: null, output: null, errors: [], resultWrapper: undefined };

/** Decompresses a body. `bytesMax` limits the decompressed size. */
export async function unpacked(body: Buffer, headers: IncomingHttpHeaders, bytesMax: number): Promise<Buffer> {
  const encoding = headers['content-encoding']?.toLowerCase();
  if (encoding === undefined || encoding === 'identity') return body;
  if (encoding !== 'gzip')
    throw new AwsError('SerializationException', `content-encoding ${encoding.slice(0, 40)} is not supported: expected gzip`);
  try {
    return await unpack(body, { maxOutputLength: bytesMax });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new PlatformError('too_large', `the decompressed body is larger than ${bytesMax} bytes`, { cause });
    }
    throw new AwsError('SerializationException', 'the body is not valid gzip', { cause });
  }
}

/** `text` is the form or the query. */
export function decodeCall(
  { service, shapes }: DocumentService,
  form: ErrorForm,
  headers: IncomingHttpHeaders,
  bytes: Buffer,
): DecodedCall {
  const query = form === 'query' ? new QueryForm(bytes.toString('latin1')) : null;
  const operation = query === null ? operationOf(headers['x-amz-target'], shapes) : query.action;
  const row = Object.hasOwn(service.operations, operation) ? service.operations[operation] : undefined;
  if (row === undefined) throw unknownOperation(service, operation || String(headers['x-amz-target'] ?? ''));
  const found = shapes.operation(operation) ?? noShapes;
  return { operation, row, shapes: found, document: query === null ? parseDocument(bytes) : query.document(found.input) };
}

/** The name in `SageMaker.CreateEndpoint`, also after a longer prefix. Empty if the prefix belongs to another service. */
function operationOf(target: string | string[] | undefined, shapes: ServiceShapes): string {
  if (typeof target !== 'string') return '';
  const dot = target.lastIndexOf('.');
  const lastWord = (text: string): string => text.slice(text.lastIndexOf('.') + 1);
  return lastWord(target.slice(0, Math.max(dot, 0))) === lastWord(shapes.targetPrefix ?? '') ? target.slice(dot + 1) : '';
}

function unknownOperation({ name, operations }: AwsService, operation: string): PlatformError {
  const supported = Object.keys(operations).sort().join(', ');
  const message = `${name} has no operation '${operation.slice(0, 100)}': expected one of ${supported}`;
  // Clients interpret this as unknown and continue; they fail at an unknown operation.
  if (name === 'iam') {
    return new PlatformError(
      'forbidden',
      `not authorized to perform iam:${operation.slice(0, 100)}: ${message}. Keys with roles replace IAM`,
    );
  }
  return new PlatformError('unsupported', message);
}

/** Validates the input against its shape. Throws `invalid_request`, or `AwsError` SerializationException. */
export function checkedInput({ shapes, document }: DecodedCall): AwsInput {
  return checkInput(shapes.input, document);
}

/** A successful response, encoded. */
export interface DocumentReply {
  readonly contentType: string;
  readonly body: string;
}

/** XML for the query protocol, JSON for the two JSON protocols. */
export function encodeDocumentReply(
  { operation, shapes }: DecodedCall,
  output: AwsOutput,
  form: ErrorForm,
  context: { readonly xmlNamespace: string | undefined; readonly requestId: string },
): DocumentReply {
  if (form === 'query') return { contentType: 'text/xml', body: encodeQueryResponse(operation, shapes, output, context) };
  return { contentType: form === 'json-1.0' ? 'application/x-amz-json-1.0' : 'application/x-amz-json-1.1', body: encodeDocument(output) };
}
