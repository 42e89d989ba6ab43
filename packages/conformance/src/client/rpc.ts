/** A gRPC client. Every call ends by its deadline, and a status is a result rather than an exception. */
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { SuiteClock } from '../suite-clock.ts';
import { SuiteError } from '../suite-error.ts';
import { type GrpcServices, loadServices } from './protocol.ts';
import { type Json, ReplyTimeout } from './wire.ts';

export interface RpcOptions {
  /** `HOST:PORT`, with the prefix `https://` for TLS. */
  readonly address: string;
  readonly token: string | undefined;
  readonly replyTimeoutMs: number;
  readonly clock: SuiteClock;
}

export interface RpcReply {
  /** `OK`, `NOT_FOUND`. */
  readonly code: string;
  readonly details: string;
  /** Null if the call failed. */
  readonly message: Json | null;
}

export interface RpcCall {
  /** Replaces the default timeout and is sent to the server. */
  readonly deadlineMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** Compresses the request. */
  readonly gzip?: boolean;
}

export type Methods =
  | 'ServerLive'
  | 'ServerReady'
  | 'ModelReady'
  | 'ServerMetadata'
  | 'ModelMetadata'
  | 'ModelInfer'
  | 'ModelConfig'
  | 'ModelStatistics'
  | 'RepositoryIndex'
  | 'RepositoryModelLoad'
  | 'RepositoryModelUnload';

const messageBytesMax = 256 * 1024 * 1024;
const connectMsMax = 10_000;
const gzip = 2;

export class Rpc {
  readonly #services: GrpcServices = loadServices();
  readonly #plain: Client;
  readonly #compressed: Client;
  readonly #options: RpcOptions;

  constructor(options: RpcOptions) {
    this.#options = options;
    const [, scheme, address] = /^(https:\/\/)?(.*)$/.exec(options.address) as unknown as [string, string | undefined, string];
    const secure = scheme === undefined ? credentials.createInsecure() : credentials.createSsl();
    const limits = { 'grpc.max_receive_message_length': messageBytesMax, 'grpc.max_send_message_length': messageBytesMax };
    this.#plain = new Client(address, secure, limits);
    this.#compressed = new Client(address, secure, { ...limits, 'grpc.default_compression_algorithm': gzip });
  }

  /** Throws `unavailable` if the address does not speak gRPC. */
  connected(): Promise<void> {
    const { address, replyTimeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      this.#plain.waitForReady(this.#deadline(Math.min(connectMsMax, replyTimeoutMs)), (error) => {
        if (error === undefined) resolve();
        else
          reject(
            new SuiteError('unavailable', `no gRPC server responds at ${address}: check the address passed with --grpc`, {
              cause: error,
            }),
          );
      });
    });
  }

  call(method: Methods, request: Json = {}, call: RpcCall = {}): Promise<RpcReply> {
    const definition = this.#services.inference[method];
    if (definition === undefined) throw new Error(`the protocol has no method ${method}`);
    return this.#unary(definition.path, definition.requestSerialize(request), definition.responseDeserialize, call);
  }

  /** Sends arbitrary bytes to an arbitrary path. */
  bytes(path: string, body: Buffer): Promise<RpcReply> {
    const { responseDeserialize } = this.#services.inference['ModelInfer'] as GrpcServices['inference'][string];
    return this.#unary(path, body, responseDeserialize, {});
  }

  health(service: string): Promise<RpcReply> {
    const definition = this.#services.health['Check'] as GrpcServices['health'][string];
    return this.#unary(definition.path, definition.requestSerialize({ service }), definition.responseDeserialize, {});
  }

  /** The first state reported, or how the stream ended. */
  watch(service: string): Promise<RpcReply> {
    const { path, requestSerialize, responseDeserialize } = this.#services.health['Watch'] as GrpcServices['health'][string];
    const options = { deadline: this.#deadline(this.#options.replyTimeoutMs) };
    const stream = this.#plain.makeServerStreamRequest<Json, Json>(
      path,
      (body: object) => requestSerialize(body),
      (bytes: Buffer) => responseDeserialize(bytes) as Json,
      { service },
      this.#metadata(),
      options,
    );
    return new Promise((resolve) => {
      stream.on('data', (message: Json) => {
        resolve({ code: 'OK', details: '', message });
        stream.cancel();
      });
      stream.on('error', (error: ServiceError) => resolve(failed(error)));
      stream.on('end', () => resolve({ code: 'OK', details: 'the stream ended without reporting a state', message: null }));
    });
  }

  /** Sends all requests on one stream. Returns the responses and how the stream ended. */
  stream(requests: readonly Json[]): Promise<{ readonly messages: readonly Json[]; readonly end: RpcReply }> {
    const { path, requestSerialize, responseDeserialize } = this.#services.inference[
      'ModelStreamInfer'
    ] as GrpcServices['inference'][string];
    const stream = this.#plain.makeBidiStreamRequest<Json, Json>(
      path,
      (body: object) => requestSerialize(body),
      (bytes: Buffer) => responseDeserialize(bytes) as Json,
      this.#metadata(),
      { deadline: this.#deadline(this.#options.replyTimeoutMs) },
    );
    const messages: Json[] = [];
    return new Promise((resolve) => {
      stream.on('data', (message: Json) => messages.push(message));
      stream.on('error', (error: ServiceError) => resolve({ messages, end: failed(error) }));
      stream.on('end', () => resolve({ messages, end: { code: 'OK', details: '', message: null } }));
      for (const each of requests) stream.write(each);
      stream.end();
    });
  }

  close(): void {
    this.#plain.close();
    this.#compressed.close();
  }

  #unary(path: string, body: Buffer, read: (bytes: Buffer) => object, { deadlineMs, signal, gzip = false }: RpcCall): Promise<RpcReply> {
    const client = gzip ? this.#compressed : this.#plain;
    const { replyTimeoutMs } = this.#options;
    const deadline = this.#deadline(deadlineMs ?? replyTimeoutMs);
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => read(bytes) as Json,
        body,
        this.#metadata(),
        { deadline },
        (error, message) => {
          if (error === null) return resolve({ code: 'OK', details: '', message: message as Json });
          const reply = failed(error);
          if (reply.code === 'DEADLINE_EXCEEDED' && deadlineMs === undefined) {
            return reject(new ReplyTimeout(`no response to ${path} within ${replyTimeoutMs} ms`));
          }
          resolve(reply);
        },
      );
      signal?.addEventListener('abort', () => call.cancel());
    });
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    const { token } = this.#options;
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    return metadata;
  }

  #deadline(ms: number): number {
    return this.#options.clock.wallMs() + ms;
  }
}

function failed({ code, details }: ServiceError): RpcReply {
  return { code: status[code] ?? String(code), details, message: null };
}
