/**
 * The gRPC side of the protocol, with the same services, authentication, limits and certificate as REST. grpc-js handles HTTP/2.
 * The first connection loads this module (grpc-listener.ts).
 */
import type { Socket } from 'node:net';
import {
  type ConnectionInjector,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type { MethodDefinition, ServiceDefinition } from '@grpc/proto-loader';
import type { Caller } from '../../access/index.ts';
import { invalidRequest } from '../../codecs/index.ts';
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import type { BodyBudget, Certificate } from '../../http/index.ts';
import type { OipDeps } from '../deps.ts';
import { auditGrpcRejection, logGrpcAccess, withCaller } from './access-log.ts';
import { admit, type CallHead, countCall, headOf, lineOf, reserveBytes } from './admission.ts';
import { type ControlCall, controlCalls } from './control-calls.ts';
import { EarlyAdmission } from './early-admission.ts';
import { GrpcHealth } from './health.ts';
import { InferStream } from './infer-stream.ts';
import { type AwaitModel, GrpcInference } from './inference.ts';
import { loadProtocol, type Protocol } from './protocol.ts';
import { GrpcReflection } from './reflection.ts';
import { grpcErrorOf, trailerOf } from './status.ts';

/** Limit of open calls per connection. */
const streamsMax = 2048;
const keepaliveMs = 60_000;
const keepaliveTimeoutMs = 20_000;

/** MLServer clients call the same repository methods under this service name. */
const mlserverRepository = '/inference.model_repository.ModelRepositoryService/';

type Respond = sendUnaryData<Buffer>;
type UnaryCall = ServerUnaryCall<Buffer, Buffer>;

/** Besides the services of all protocols. */
export interface GrpcServerOptions {
  /** Null: plaintext. */
  readonly tls: Certificate | null;
  /** The open connections, by client address and port. */
  readonly sockets: ReadonlyMap<string, Socket>;
  readonly awaitModel: AwaitModel;
}

/** Serves connections that the port has accepted. */
export class GrpcServer {
  readonly #services: OipDeps;
  readonly #sockets: ReadonlyMap<string, Socket>;
  readonly #protocol: Protocol;
  readonly #health: GrpcHealth;
  readonly #inference: GrpcInference;
  /** Shared with HTTP request bodies. */
  readonly #budget: BodyBudget;
  readonly #admission: EarlyAdmission;
  readonly #server: Server;
  readonly #injector: ConnectionInjector;
  readonly #streams = new Set<InferStream>();

  constructor(services: OipDeps, { tls, sockets, awaitModel }: GrpcServerOptions) {
    this.#services = services;
    this.#sockets = sockets;
    const { bodyLimitBytes } = services.listener.limits;
    this.#protocol = loadProtocol();
    this.#health = new GrpcHealth(services);
    this.#inference = new GrpcInference(services, awaitModel);
    this.#budget = services.listener.bodies.budget;
    const paths = ['ModelInfer', 'ModelStreamInfer'].map((name) => methodOf(this.#protocol.inference, name).path);
    const logRejected = (head: CallHead, thrown: unknown): void => this.#logRejectedCall(head, thrown);
    this.#admission = new EarlyAdmission({ services, sockets, logRejected }, paths);
    this.#server = new Server({
      interceptors: [this.#admission.intercept],
      'grpc.max_receive_message_length': bodyLimitBytes,
      // Response size is unlimited, as over HTTP.
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': streamsMax,
      'grpc.keepalive_time_ms': keepaliveMs,
      'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
      'grpc.enable_channelz': 0,
    });
    this.#register();
    this.#injector = this.#server.createConnectionInjector(credentialsOf(tls));
  }

  /** Takes the connection over. */
  serve(socket: Socket): void {
    this.#injector.injectConnection(socket);
  }

  /** Rejects new calls; open ones go on. Connections end with their last call. */
  end(): void {
    this.#health.close();
    for (const stream of this.#streams) stream.finish();
    // It calls back too early, and `forceShutdown` needs channelz to know connections: the port waits for them, and cuts them off.
    this.#server.tryShutdown(() => {});
  }

  #register(): void {
    const { inference, health, reflection, descriptors } = this.#protocol;
    for (const call of controlCalls(this.#services, this.#health)) {
      const definition = methodOf(this.#protocol[call.service], call.method);
      this.#unary(definition.path, (...of) => void this.#control(definition, call, ...of));
      if (call.method.startsWith('Repository'))
        this.#unary(mlserverRepository + call.method, (...of) => void this.#control(definition, call, ...of));
    }
    this.#unary(methodOf(inference, 'ModelInfer').path, (call, respond) => this.#infer(call, respond));
    this.#server.register(
      methodOf(inference, 'ModelStreamInfer').path,
      (call: ServerDuplexStream<Buffer, Buffer>) => this.#stream(call),
      asItIs,
      asItIs,
      'bidi',
    );
    const watch = methodOf(health, 'Watch');
    this.#server.register(watch.path, this.#health.watch as never, watch.responseSerialize, watch.requestDeserialize, 'serverStream');
    const { path, responseSerialize, requestDeserialize } = methodOf(reflection, 'ServerReflectionInfo');
    const { serve } = new GrpcReflection(descriptors);
    for (const each of [path, path.replace('.v1.', '.v1alpha.')]) {
      this.#server.register(each, serve, responseSerialize, requestDeserialize, 'bidi');
    }
  }

  /** Messages are decoded here, not by grpc-js, so that a malformed one gets a regular error. */
  #unary(path: string, handle: (call: UnaryCall, respond: Respond) => void): void {
    this.#server.register(path, handle, asItIs, asItIs, 'unary');
  }

  async #control(definition: MethodDefinition<object, object>, control: ControlCall, call: UnaryCall, respond: Respond): Promise<void> {
    const { action, answer, modelOf, changeOf } = control;
    const { clock, listener } = this.#services;
    const startedAtMs = clock.nowMs();
    const [path, host, peer, deadline] = [call.getPath(), call.getHost(), call.getPeer(), call.getDeadline()];
    const head = headOf({ metadata: call.metadata, path, host, peer, deadline }, this.#sockets);
    listener.activity.enter(lineOf(head));
    let caller: Caller | null = null;
    let error: PlatformError | null = null;
    let requested: object | null = null;
    try {
      caller = action === null ? null : admit(this.#services, head, action);
      if (caller !== null) countCall(caller, call);
      requested = read(definition, call.request);
      const reply = await withCaller(head, () => answer(requested as never, caller));
      respond(null, definition.responseSerialize(reply), trailerOf(head.requestId));
    } catch (thrown) {
      error = asPlatformError(thrown);
      if (changeOf !== undefined) requested ??= readOrEmpty(definition, call.request);
      const change = changeOf?.(requested as never) ?? { change: null, target: '' };
      await auditGrpcRejection(this.#services, { head, caller, ...change }, error);
      this.#refuse(head, thrown, respond);
    }
    // Probes arrive every few seconds: only failing ones are logged.
    if (action === null && error === null) return;
    const model = requested === null ? undefined : modelOf?.(requested as never);
    logGrpcAccess(this.#services, { head, caller, error, model, ms: clock.nowMs() - startedAtMs });
  }

  #infer(call: UnaryCall, respond: Respond): void {
    const { head } = this.#admission.of(call);
    const budget = this.#budget;
    let held = call.request.length;
    try {
      reserveBytes(budget, held);
    } catch (thrown) {
      this.#logRejectedCall(head, thrown);
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
      else respond(grpcErrorOf(answered.error, head.requestId));
    });
    // Also emitted after the response was sent.
    call.on('cancelled', () => {
      budget.release(held);
      // The serving module ends and counts calls whose deadline has passed.
      if (this.#services.clock.wallMs() < head.deadlineWallMs) cancel();
    });
  }

  #stream(call: ServerDuplexStream<Buffer, Buffer>): void {
    const stream = new InferStream(call, this.#admission.of(call), this.#inference, this.#budget);
    this.#streams.add(stream);
    call.on('cancelled', () => this.#streams.delete(stream));
  }

  /** Such a call has no line in the request log, so it is written to the access log. */
  #logRejectedCall(head: CallHead, thrown: unknown): void {
    const error = asPlatformError(thrown);
    void auditGrpcRejection(this.#services, { head, caller: null, change: null, target: '' }, error);
    logGrpcAccess(this.#services, { head, caller: null, error, ms: 0 });
  }

  #refuse({ requestId }: CallHead, thrown: unknown, respond: Respond): void {
    if (!(thrown instanceof PlatformError)) {
      const stack = thrown instanceof Error ? thrown.stack : undefined;
      this.#services.log.error({ requestId, stack }, `a call over gRPC failed: ${messageOf(thrown)}`);
    }
    respond(grpcErrorOf(thrown, requestId));
  }
}

function methodOf(service: ServiceDefinition, name: string): MethodDefinition<object, object> {
  const definition = service[name];
  if (definition === undefined) throw new Error(`a .proto file lacks ${name}`);
  return definition;
}

function asItIs(bytes: Buffer): Buffer {
  return bytes;
}

function read(definition: MethodDefinition<object, object>, bytes: Buffer): object {
  try {
    return definition.requestDeserialize(bytes);
  } catch (error) {
    throw invalidRequest(`the message is not valid protobuf of its type: ${messageOf(error)}`);
  }
}

/** For auditing a call that was rejected before its message was decoded. */
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
