/** The clients of the exchange tests: how each adapter is sent an inference, and how its client sees the end. */
import { type ClientRequest, request as httpRequest } from 'node:http';
import { status as grpcStatuses } from '@grpc/grpc-js';
import type { BodyInvocations } from '../src/aws/index.ts';
import { asPlatformError } from '../src/errors.ts';
import { sign } from './aws/signed-request.ts';
import { definitionOf, type GrpcClient } from './end-to-end/grpc-client.ts';
import { grpcBody, jsonBody, linesBody, oipBody, rowsBody, type Sent } from './exchange-bodies.ts';
import { type Endpoint, type Served, timeoutMs } from './exchange-models.ts';

export interface Call {
  /** How its client sees the end: `200`, `503 unavailable`, `UNAVAILABLE`, `left`. */
  readonly outcome: Promise<string>;
  /** The client disconnects. */
  leave(): void;
}

export interface SendOptions {
  /** Of the headers and half of the body, only. */
  readonly isPartial?: boolean;
}

/** What the client sees, by the error code of the platform. */
type Outcomes = Readonly<Record<string, string>>;

export const httpOutcomes: Outcomes = {
  ok: '200',
  invalid_request: '400 invalid_request',
  too_large: '413 too_large',
  not_found: '404 not_found',
  unavailable: '503 unavailable',
  overloaded: '429 overloaded',
  deadline_exceeded: '504 deadline_exceeded',
  model_failed: '500 model_failed',
};
const grpcOutcomes: Outcomes = {
  ok: '200',
  invalid_request: 'INVALID_ARGUMENT',
  too_large: 'RESOURCE_EXHAUSTED',
  not_found: 'NOT_FOUND',
  unavailable: 'UNAVAILABLE',
  overloaded: 'RESOURCE_EXHAUSTED',
  deadline_exceeded: 'DEADLINE_EXCEEDED',
  model_failed: 'INTERNAL',
};
/** AWS has one error for all failures of a model, and its endpoints do not exist before they serve. */
export const awsOutcomes: Outcomes = {
  ok: '200',
  invalid_request: '424 ModelError',
  too_large: '413 RequestEntityTooLargeException',
  not_found: '400 ValidationError',
  unavailable: '503 ServiceUnavailable',
  overloaded: '429 ThrottlingException',
  deadline_exceeded: '424 ModelError',
  model_failed: '424 ModelError',
};
/** Without a client: the error itself. */
const directOutcomes: Outcomes = Object.fromEntries(Object.keys(httpOutcomes).map((code) => [code, code === 'ok' ? '200' : code]));

export interface Adapter {
  readonly name: string;
  readonly endpoint: Served;
  readonly outcomes: Outcomes;
  /** A process takes any bytes: nothing is decoded, split or captured in parts. */
  readonly isProcess?: true;
  /** Requests from the queue have no head: no trace, no body that arrives, no access log. */
  readonly isQueued?: true;
  /** A message arrives whole or not at all, and grpc-js rejects long ones. */
  readonly isMessage?: true;
  /** The answer is one tensor, so capture sees the request as one part. */
  readonly isWhole?: true;
  send(clients: ExchangeClients, sent: Sent, endpoint: Endpoint, options: SendOptions): Call;
}

/** Every adapter. A new one is a row here; the tests of the contract run over all. */
export const exchangeAdapters: readonly Adapter[] = [
  {
    name: 'OIP infer',
    endpoint: 'tensors',
    outcomes: httpOutcomes,
    isWhole: true,
    send: (clients, sent, endpoint, options) => clients.http(`/v2/models/${endpoint}/infer`, oipBody(sent), options),
  },
  {
    name: 'KServe predict',
    endpoint: 'tensors',
    outcomes: httpOutcomes,
    send: (clients, sent, endpoint, options) => clients.http(`/v1/models/${endpoint}:predict`, rowsBody(sent), options),
  },
  {
    name: 'gRPC',
    endpoint: 'tensors',
    outcomes: grpcOutcomes,
    isMessage: true,
    isWhole: true,
    send: (clients, sent, endpoint) => clients.grpc(grpcBody(sent, endpoint)),
  },
  { name: 'native invoke', endpoint: 'tensors', outcomes: httpOutcomes, send: invoke(rowsBody) },
  { name: 'native invoke of rows of JSON', endpoint: 'json', outcomes: httpOutcomes, send: invoke(jsonBody) },
  {
    name: 'InvokeEndpoint of JSON lines',
    endpoint: 'json',
    outcomes: awsOutcomes,
    send: invokeEndpoint(linesBody, 'application/jsonlines'),
  },
  { name: 'native invoke of a process', endpoint: 'bytes', outcomes: httpOutcomes, isProcess: true, send: invoke(rowsBody) },
  { name: 'InvokeEndpoint', endpoint: 'tensors', outcomes: awsOutcomes, send: invokeEndpoint(rowsBody) },
  { name: 'InvokeEndpoint of a process', endpoint: 'bytes', outcomes: awsOutcomes, isProcess: true, send: invokeEndpoint(rowsBody) },
  {
    name: 'asynchronous',
    endpoint: 'tensors',
    outcomes: directOutcomes,
    isQueued: true,
    send: (clients, sent, endpoint) => clients.queued(rowsBody(sent), endpoint),
  },
  {
    name: 'asynchronous to a process',
    endpoint: 'bytes',
    outcomes: directOutcomes,
    isQueued: true,
    isProcess: true,
    send: (clients, sent, endpoint) => clients.queued(rowsBody(sent), endpoint),
  },
];

function invoke(bodyOf: (sent: Sent) => Buffer): Adapter['send'] {
  return (clients, sent, endpoint, options) => clients.http(`/api/v1/endpoints/${endpoint}/invoke`, bodyOf(sent), options);
}

function invokeEndpoint(bodyOf: (sent: Sent) => Buffer, type?: string): Adapter['send'] {
  return (clients, sent, endpoint, options) => clients.aws(endpoint, bodyOf(sent), options, type);
}

interface ExchangeAddresses {
  /** Of the server with all adapters that speak HTTP. */
  readonly url: string;
  readonly key: Parameters<typeof sign>[1]['key'];
  readonly grpcClient: GrpcClient;
  readonly bodies: BodyInvocations;
}

export class ExchangeClients {
  readonly #to: ExchangeAddresses;

  constructor(to: ExchangeAddresses) {
    this.#to = to;
  }

  http(path: string, body: Buffer, { isPartial = false }: SendOptions): Call {
    const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
    return sendHttp(httpRequest(`${this.#to.url}${path}`, { method: 'POST', headers, agent: false }), body, isPartial);
  }

  aws(endpoint: Endpoint, body: Buffer, { isPartial = false }: SendOptions, type = 'application/json'): Call {
    const { url, key } = this.#to;
    const headers = { 'content-type': type, 'content-length': String(body.length) };
    const call = { key, service: 'sagemaker', path: `/endpoints/${endpoint}/invocations`, headers, body } as const;
    const { path, headers: signed } = sign(url, call);
    return sendHttp(httpRequest(`${url}${path}`, { method: 'POST', headers: signed, agent: false }), body, isPartial);
  }

  grpc(message: Buffer): Call {
    const leaving = new AbortController();
    const reply = this.#to.grpcClient.callBytes(definitionOf('ModelInfer').path, message, { signal: leaving.signal });
    const outcome = reply.then(({ refused }) => {
      if (refused === null) return '200';
      return refused.code === grpcStatuses.CANCELLED ? 'left' : (grpcStatuses[refused.code] as string);
    });
    return { outcome, leave: () => leaving.abort() };
  }

  /** As a consumer of the queue of asynchronous requests does it. */
  queued(body: Buffer, endpoint: Endpoint): Call {
    const leaving = new AbortController();
    const { signal } = leaving;
    const plain = { contentType: 'application/json', accept: null, customAttributes: null, inferenceId: 'i' };
    const outcome = this.#to.bodies.run({ endpoint, requestId: 'asynchronous', ...plain, body, timeoutMs, signal }).then(
      () => '200',
      (error: unknown) => (signal.aborted ? 'left' : asPlatformError(error).code),
    );
    return { outcome, leave: () => leaving.abort() };
  }
}

function sendHttp(request: ClientRequest, body: Buffer, isPartial: boolean): Call {
  let hasLeft = false;
  const outcome = new Promise<string>((resolve) => {
    request.on('error', (error) => resolve(hasLeft ? 'left' : String(error)));
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', (error) => resolve(hasLeft ? 'left' : String(error)));
      response.on('end', () => {
        const { code, __type: type } = (response.statusCode === 200 ? {} : parsed(Buffer.concat(chunks))) as {
          code?: string;
          __type?: string;
        };
        const name = code ?? type ?? response.headers['x-amzn-errortype'];
        resolve([response.statusCode, name].filter((each) => each !== undefined).join(' '));
      });
    });
  });
  if (isPartial) request.write(body.subarray(0, Math.floor(body.length / 2)));
  else request.end(body);
  return {
    outcome,
    leave: () => {
      hasLeft = true;
      request.destroy(new Error('left'));
    },
  };
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return {};
  }
}
