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

export interface Adapter {
  readonly name: string;
  readonly endpoint: Served;
  send(sent: Sent, endpoint?: Endpoint, options?: SendOptions): Call;
}

export interface AdapterDeps {
  /** Of the server with all adapters that speak HTTP. */
  readonly url: string;
  readonly key: Parameters<typeof sign>[1]['key'];
  readonly grpcClient: GrpcClient;
  readonly bodies: BodyInvocations;
}

export function exchangeAdapters({ url, key, grpcClient, bodies }: AdapterDeps): readonly Adapter[] {
  const http = (path: string, body: Buffer, { isPartial = false }: SendOptions, type = 'application/json'): Call => {
    const headers = { 'content-type': type, 'content-length': String(body.length) };
    return sendHttp(httpRequest(`${url}${path}`, { method: 'POST', headers, agent: false }), body, isPartial);
  };
  const aws = (
    operation: string,
    service: 'sagemaker',
    endpoint: Endpoint,
    body: Buffer,
    { isPartial = false }: SendOptions,
    type = 'application/json',
  ): Call => {
    const headers = { 'content-type': type, 'content-length': String(body.length) };
    const { path, headers: signed } = sign(url, { key, service, path: `/endpoints/${endpoint}/${operation}`, headers, body });
    return sendHttp(httpRequest(`${url}${path}`, { method: 'POST', headers: signed, agent: false }), body, isPartial);
  };
  const infer = (sent: Sent, endpoint: Endpoint = 'tensors', options: SendOptions = {}) =>
    http(`/v2/models/${endpoint}/infer`, oipBody(sent), options);
  return [
    { name: 'OIP infer', endpoint: 'tensors', send: infer },
    {
      name: 'KServe predict',
      endpoint: 'tensors',
      send: (sent, endpoint = 'tensors', options = {}) => http(`/v1/models/${endpoint}:predict`, rowsBody(sent), options),
    },
    {
      name: 'gRPC',
      endpoint: 'tensors',
      send: (sent, endpoint = 'tensors') => {
        const leaving = new AbortController();
        const { path } = definitionOf('ModelInfer');
        const reply = grpcClient.callBytes(path, grpcBody(sent, endpoint), { signal: leaving.signal });
        const outcome = reply.then(({ refused }) => {
          if (refused === null) return '200';
          return refused.code === grpcStatuses.CANCELLED ? 'left' : (grpcStatuses[refused.code] as string);
        });
        return { outcome, leave: () => leaving.abort() };
      },
    },
    {
      name: 'native invoke',
      endpoint: 'tensors',
      send: (sent, endpoint = 'tensors', options = {}) => http(`/api/v1/endpoints/${endpoint}/invoke`, rowsBody(sent), options),
    },
    {
      name: 'native invoke of rows of JSON',
      endpoint: 'json',
      send: (sent, endpoint = 'json', options = {}) => http(`/api/v1/endpoints/${endpoint}/invoke`, jsonBody(sent), options),
    },
    {
      name: 'InvokeEndpoint of JSON lines',
      endpoint: 'json',
      send: (sent, endpoint = 'json', options = {}) =>
        aws('invocations', 'sagemaker', endpoint, linesBody(sent), options, 'application/jsonlines'),
    },
    {
      name: 'native invoke of a process',
      endpoint: 'bytes',
      send: (sent, endpoint = 'bytes', options = {}) => http(`/api/v1/endpoints/${endpoint}/invoke`, rowsBody(sent), options),
    },
    {
      name: 'InvokeEndpoint',
      endpoint: 'tensors',
      send: (sent, endpoint = 'tensors', options = {}) => aws('invocations', 'sagemaker', endpoint, rowsBody(sent), options),
    },
    {
      name: 'InvokeEndpoint of a process',
      endpoint: 'bytes',
      send: (sent, endpoint = 'bytes', options = {}) => aws('invocations', 'sagemaker', endpoint, rowsBody(sent), options),
    },
    ...(['tensors', 'bytes'] as const).map((own) => ({
      name: own === 'tensors' ? 'asynchronous' : 'asynchronous to a process',
      endpoint: own,
      send: (sent: Sent, endpoint: Endpoint = own): Call => {
        const leaving = new AbortController();
        const { signal } = leaving;
        const outcome = bodies
          .run({
            endpoint,
            requestId: 'asynchronous',
            contentType: 'application/json',
            accept: null,
            customAttributes: null,
            inferenceId: 'i',
            body: rowsBody(sent),
            timeoutMs,
            signal,
          })
          .then(
            () => '200',
            (error: unknown) => (signal.aborted ? 'left' : asPlatformError(error).code),
          );
        return { outcome, leave: () => leaving.abort() };
      },
    })),
  ];
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
