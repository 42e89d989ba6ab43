/**
 * The gRPC side of the protocol on a port of its own: the same services, callers, limits and certificate as REST. grpc-js
 * speaks HTTP/2; the port is ours, so that its connections are bounded and a port that is taken is told of.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net';
import {
  type ConnectionInjector,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import type { Caller } from '../../access/index.ts';
import { invalid } from '../../codecs/index.ts';
import { isLoopback } from '../../config.ts';
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import type { BodyBudget, Certificate } from '../../http/index.ts';
import type { OipServices } from '../neighbours.ts';
import { admit, type CallHead, headOf, makeRoom } from './admission.ts';
import { type ControlCall, controlCalls } from './control-calls.ts';
import { GrpcHealth } from './health.ts';
import { InferStream } from './infer-stream.ts';
import { GrpcInference } from './inference.ts';
import { loadProtocol, type Protocol } from './protocol.ts';
import { GrpcReflection } from './reflection.ts';
import { statusOf, trailerOf } from './status.ts';
import { asCalledBy, tellGrpcAccess, tellGrpcRefused } from './told.ts';

export interface GrpcOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Null: plain, which only a loopback address may speak. */
  readonly tls: Certificate | null;
}

/** Calls that one connection may have open. */
const streamsMax = 2048;
const keepaliveMs = 60_000;
const keepaliveTimeoutMs = 20_000;

/** Where MLServer's clients look for the repository: the same calls, by another name. */
const mlserverRepository = '/inference.model_repository.ModelRepositoryService/';

type Respond = sendUnaryData<Buffer>;
type UnaryCall = ServerUnaryCall<Buffer, Buffer>;

export class GrpcDoor {
  readonly #services: OipServices;
  readonly #options: GrpcOptions;
  readonly #protocol: Protocol;
  readonly #health: GrpcHealth;
  readonly #inference: GrpcInference;
  /** Shared with the bodies of requests over HTTP. */
  readonly #budget: BodyBudget;
  readonly #server: Server;
  readonly #injector: ConnectionInjector;
  readonly #port: NetServer;
  readonly #sockets = new Set<Socket>();
  readonly #streams = new Set<InferStream>();

  /** Throws `invalid_request` for an address beyond loopback without TLS. */
  constructor(services: OipServices, options: GrpcOptions) {
    this.#services = services;
    this.#options = options;
    if (!isLoopback(options.host) && options.tls === null) {
      throw new PlatformError(
        'invalid_request',
        `${options.host} is not a loopback address, so gRPC needs TLS there: give --tls-cert F --tls-key F, or --tls self-signed`,
      );
    }
    const { bodyLimitBytes, connectionsMax } = services.listener.limits;
    this.#protocol = loadProtocol();
    this.#health = new GrpcHealth(services);
    this.#inference = new GrpcInference(services);
    this.#budget = services.listener.bodies.budget;
    this.#server = new Server({
      'grpc.max_receive_message_length': bodyLimitBytes,
      // An answer is as large as the model makes it, as over HTTP.
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': streamsMax,
      'grpc.keepalive_time_ms': keepaliveMs,
      'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
      'grpc.enable_channelz': 0,
    });
    this.#register();
    this.#injector = this.#server.createConnectionInjector(credentialsOf(options.tls));
    this.#port = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      this.#injector.injectConnection(socket);
    });
    this.#port.maxConnections = connectionsMax;
  }

  /** Answers `host:port` once connections are accepted. Throws `unavailable` where the address cannot be had. */
  async listen(): Promise<string> {
    const { host, port } = this.#options;
    this.#port.listen({ host, port, backlog: 1024 });
    try {
      await once(this.#port, 'listening');
    } catch (cause) {
      const inUse = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
      const what = inUse
        ? 'another program is using it, choose another --grpc-port (0 takes any that is free, off does without)'
        : messageOf(cause);
      throw new PlatformError('unavailable', `cannot listen for gRPC on ${host}:${port}: ${what}`, { cause });
    }
    const { port: taken } = this.#port.address() as AddressInfo;
    return `${host.includes(':') ? `[${host}]` : host}:${taken}`;
  }

  /** Takes no new connections and calls, lets those under way finish for a bounded time, then cuts the rest off. */
  async close(): Promise<void> {
    const { clock, listener } = this.#services;
    const closed = new Promise<void>((resolve) => this.#port.close(() => resolve()));
    this.#health.close();
    for (const stream of this.#streams) stream.finish();
    // It tells too early that it is over, and `forceShutdown` knows no connections without channelz: the sockets tell, and are ours.
    this.#server.tryShutdown(() => {});
    const cancel = clock.after(listener.limits.closeMs, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await closed;
    cancel();
  }

  #register(): void {
    const { inference, health, reflection, descriptors } = this.#protocol;
    const method = (definition: MethodDefinition<object, object> | undefined): MethodDefinition<object, object> => {
      if (definition === undefined) throw new Error('a .proto file lacks a method that is served');
      return definition;
    };
    for (const call of controlCalls(this.#services, this.#health)) {
      const definition = method(this.#protocol[call.service][call.method]);
      this.#unary(definition.path, (...of) => void this.#control(definition, call, ...of));
      if (call.method.startsWith('Repository'))
        this.#unary(mlserverRepository + call.method, (...of) => void this.#control(definition, call, ...of));
    }
    this.#unary(method(inference['ModelInfer']).path, (call, respond) => this.#infer(call, respond));
    this.#server.register(
      method(inference['ModelStreamInfer']).path,
      (call: ServerDuplexStream<Buffer, Buffer>) => this.#stream(call),
      asItIs,
      asItIs,
      'bidi',
    );
    const watch = method(health['Watch']);
    this.#server.register(watch.path, this.#health.watch as never, watch.responseSerialize, watch.requestDeserialize, 'serverStream');
    const { path, responseSerialize, requestDeserialize } = method(reflection['ServerReflectionInfo']);
    const { serve } = new GrpcReflection(descriptors);
    for (const each of [path, path.replace('.v1.', '.v1alpha.')]) {
      this.#server.register(each, serve, responseSerialize, requestDeserialize, 'bidi');
    }
  }

  /** Messages are read and written here, so that one that is broken is told of as any other mistake. */
  #unary(path: string, handle: (call: UnaryCall, respond: Respond) => void): void {
    this.#server.register(path, handle, asItIs, asItIs, 'unary');
  }

  async #control(definition: MethodDefinition<object, object>, control: ControlCall, call: UnaryCall, respond: Respond): Promise<void> {
    const { permission, answer, modelOf, changeOf } = control;
    const { clock } = this.#services;
    const cameAtMs = clock.nowMs();
    const head = headOf(call);
    let caller: Caller | null = null;
    let error: PlatformError | null = null;
    let asked: object | null = null;
    try {
      caller = permission === null ? null : admit(this.#services, head, permission);
      asked = read(definition, call.request);
      const reply = await asCalledBy(head, () => answer(asked as never, caller));
      respond(null, definition.responseSerialize(reply), trailerOf(head.requestId));
    } catch (thrown) {
      error = asPlatformError(thrown);
      if (changeOf !== undefined) asked ??= readOrEmpty(definition, call.request);
      const change = changeOf?.(asked as never) ?? { change: null, target: '' };
      await tellGrpcRefused(this.#services, { head, caller, ...change }, error);
      this.#refuse(head, thrown, respond);
    }
    // Probes come every few seconds: only those that find it ill are told of.
    if (permission === null && error === null) return;
    const model = asked === null ? undefined : modelOf?.(asked as never);
    tellGrpcAccess(this.#services, { head, caller, error, model, ms: clock.nowMs() - cameAtMs });
  }

  #infer(call: UnaryCall, respond: Respond): void {
    const head = headOf(call);
    const budget = this.#budget;
    let held = call.request.length;
    try {
      admit(this.#services, head, 'invoke');
      makeRoom(budget, held);
    } catch (thrown) {
      this.#tellAtDoor(head, thrown);
      this.#refuse(head, thrown, respond);
      return;
    }
    const cancel = this.#inference.infer(head, call.request, (answered) => {
      const bytes = answered.ok ? answered.bytes.length : 0;
      if (!call.cancelled) {
        budget.add(bytes - held);
        held = bytes;
      }
      if (answered.ok) respond(null, answered.bytes, trailerOf(head.requestId));
      else respond(statusOf(answered.error, head.requestId));
    });
    // Told when the answer is out, too.
    call.on('cancelled', () => {
      budget.release(held);
      // Whose time has passed is ended, and counted, by serving itself.
      if (this.#services.clock.wallMs() < head.deadlineWallMs) cancel();
    });
  }

  #stream(call: ServerDuplexStream<Buffer, Buffer>): void {
    const head = headOf(call);
    try {
      admit(this.#services, head, 'invoke');
    } catch (thrown) {
      this.#tellAtDoor(head, thrown);
      call.emit('error', statusOf(thrown, head.requestId));
      return;
    }
    const stream = new InferStream(call, head, this.#inference, this.#budget);
    this.#streams.add(stream);
    call.on('cancelled', () => this.#streams.delete(stream));
  }

  /** No line of the log of requests tells of it. */
  #tellAtDoor(head: CallHead, thrown: unknown): void {
    const error = asPlatformError(thrown);
    void tellGrpcRefused(this.#services, { head, caller: null, change: null, target: '' }, error);
    tellGrpcAccess(this.#services, { head, caller: null, error, ms: 0 });
  }

  #refuse({ requestId }: CallHead, thrown: unknown, respond: Respond): void {
    if (!(thrown instanceof PlatformError)) {
      const stack = thrown instanceof Error ? thrown.stack : undefined;
      this.#services.log.error({ requestId, stack }, `a call over gRPC failed: ${messageOf(thrown)}`);
    }
    respond(statusOf(thrown, requestId));
  }
}

function asItIs(bytes: Buffer): Buffer {
  return bytes;
}

function read(definition: MethodDefinition<object, object>, bytes: Buffer): object {
  try {
    return definition.requestDeserialize(bytes);
  } catch (error) {
    throw invalid(`the message is no valid protobuf of its type: ${messageOf(error)}`);
  }
}

/** For whoever tells of a call that was refused before anybody read it. */
function readOrEmpty(definition: MethodDefinition<object, object>, bytes: Buffer): object {
  try {
    return definition.requestDeserialize(bytes);
  } catch {
    return definition.requestDeserialize(Buffer.alloc(0));
  }
}

function credentialsOf(tls: Certificate | null): ServerCredentials {
  if (tls === null) return ServerCredentials.createInsecure();
  return ServerCredentials.createSsl(null, [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) }]);
}
