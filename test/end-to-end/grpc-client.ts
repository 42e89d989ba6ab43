/** gRPC clients: grpc-js with our `.proto` files, and raw HTTP/2 frames for what libraries do not send. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { type ChannelCredentials, type ChannelOptions, Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import type { StatusBody } from '../../src/api/index.ts';
import { loadProtocol, type Protocol } from '../../src/oip/grpc/protocol.ts';
import type { Server } from './server.ts';

export const protocol: Protocol = loadProtocol();

export interface Refused {
  readonly code: number;
  readonly details: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface GrpcCallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** The outcome of a call: a reply or an error. */
export type Reply<Form = Message> = { readonly reply: Form; readonly refused: null } | { readonly reply: null; readonly refused: Refused };

/** A message as decoded by proto-loader. */
export type Message = object;

/** The value at a path of a message, such as `model_stats.0.inference_count`. */
export function at(message: Message | undefined | null, path: string): unknown {
  let here: unknown = message;
  for (const name of path.split('.')) here = (here as Record<string, unknown> | null | undefined)?.[name];
  return here;
}

export class GrpcClient {
  readonly channel: Client;

  constructor(address: string, options: ChannelOptions = {}, channel: ChannelCredentials = credentials.createInsecure()) {
    this.channel = new Client(address, channel, { 'grpc.max_receive_message_length': -1, ...options });
  }

  call(
    method: string,
    request: object,
    options: GrpcCallOptions = {},
    service: keyof Omit<Protocol, 'descriptors'> = 'inference',
  ): Promise<Reply> {
    const definition = definitionOf(method, service);
    return this.callBytes(definition.path, definition.requestSerialize(request), options).then(({ reply, refused }) =>
      refused === null ? { reply: definition.responseDeserialize(reply), refused } : { reply: null, refused },
    );
  }

  callBytes(path: string, bytes: Buffer, { metadata, deadlineMs, signal }: GrpcCallOptions = {}): Promise<Reply<Buffer>> {
    return new Promise((resolve) => {
      const settle = (error: ServiceError | null, reply?: Buffer): void => {
        if (error === null) resolve({ reply: reply as Buffer, refused: null });
        else resolve({ reply: null, refused: { code: error.code, details: error.details, metadata: error.metadata.getMap() } });
      };
      const deadline = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      const call = this.channel.makeUnaryRequest(path, identity, identity, bytes, metadataOf(metadata), deadline, settle);
      signal?.addEventListener('abort', () => call.cancel());
    });
  }

  stream(method: string, service: keyof Omit<Protocol, 'descriptors'> = 'inference') {
    const { path, requestSerialize, responseDeserialize } = definitionOf(method, service);
    return this.channel.makeBidiStreamRequest<Message, Message>(path, requestSerialize, responseDeserialize);
  }

  watch(service: string) {
    const { path, requestSerialize, responseDeserialize } = definitionOf('Watch', 'health');
    return this.channel.makeServerStreamRequest<Message, Message>(path, requestSerialize, responseDeserialize, { service });
  }

  close(): void {
    this.channel.close();
  }
}

export async function grpcAddress(server: Server): Promise<string> {
  const { grpc } = await server.callWell<StatusBody>('GET', '/status');
  if (grpc === null) throw new Error('the server serves no gRPC');
  return grpc;
}

export function definitionOf(method: string, service: keyof Omit<Protocol, 'descriptors'> = 'inference'): MethodDefinition<object, object> {
  const definition = protocol[service][method];
  if (definition === undefined) throw new Error(`there is no ${service}.${method}`);
  return definition;
}

function identity(bytes: Buffer): Buffer {
  return bytes;
}

function metadataOf(fields: Readonly<Record<string, string>> = {}): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(fields)) metadata.set(key, value);
  return metadata;
}

/** A connection whose streams accept `windowBytes` of unread response data. */
export function rawConnection(address: string, windowBytes = 65_535): ClientHttp2Session {
  return connect(`http://${address}`, { settings: { initialWindowSize: windowBytes }, maxSessionMemory: 1000 });
}

export function rawCall(session: ClientHttp2Session, method: string, headers: Readonly<Record<string, string>> = {}): ClientHttp2Stream {
  const fixed = { ':method': 'POST', ':path': definitionOf(method).path, 'content-type': 'application/grpc', te: 'trailers' };
  return session.request({ ...fixed, ...headers });
}

/** A message with its five-byte gRPC prefix. */
export function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
