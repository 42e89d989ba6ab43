/** Finds out whom one talks to, and which of its models is to be asked. */
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { fixtures } from './fixtures.ts';
import { Rpc } from './rpc.ts';
import { servedModels } from './served.ts';
import { type Input, isJsonable, Subject, specsOf } from './subject.ts';
import { Target, type TargetFacts } from './target.ts';
import { type Json, type Reply, Wire } from './wire.ts';

export interface TargetOptions {
  /** `http://HOST:PORT`, with a path in front of `/v2` where there is one. */
  readonly url: string;
  /** `HOST:PORT`, with `https://` in front where it is TLS. */
  readonly grpc?: string | undefined;
  /** Sent as `Authorization: Bearer …`. */
  readonly token?: string | undefined;
  /** The model that is asked; else test-affine, else the first of those that the server lists. */
  readonly model?: string | undefined;
  /** Inputs that the model takes, where its metadata does not tell or values of our making would not do. */
  readonly inputs?: readonly Input[] | undefined;
  /** Extensions that are taken for announced. */
  readonly assumed?: readonly string[] | undefined;
  readonly bodyLimitBytes?: number | undefined;
  readonly mayReload: boolean;
  /** For each answer. */
  readonly replyTimeoutMs: number;
  readonly clock: Clock;
}

/** Throws `PlatformError` where nobody answers, or no model can be asked. */
export async function openTarget(options: TargetOptions): Promise<Target> {
  const { url, grpc, token, clock, replyTimeoutMs, bodyLimitBytes, mayReload } = options;
  const wire = new Wire({ url, token, clock, replyTimeoutMs });
  try {
    const server = facts(options, await answerOf(wire, url));
    const subject = await subjectOf(wire, options);
    const rpc = grpc === undefined ? null : new Rpc({ address: grpc, token, replyTimeoutMs, clock });
    await rpc?.connected().catch((error: unknown) => {
      rpc.close();
      throw error;
    });
    return new Target({ wire, rpc, subject, server, bodyLimitBytes, mayReload });
  } catch (error) {
    wire.close();
    throw error;
  }
}

async function answerOf(wire: Wire, url: string): Promise<Reply> {
  try {
    return await wire.send('/v2');
  } catch (cause) {
    throw new PlatformError('unavailable', `no server answers at ${url} (${messageOf(cause)}): check the address`, { cause });
  }
}

/** What `GET /v2` says; what is wrong with it is for C1 to tell. */
function facts({ url, assumed = [] }: TargetOptions, { status, json }: Reply): TargetFacts['server'] {
  if (status === 401 || status === 403) {
    throw new PlatformError('unauthenticated', `${url} answers ${status}: name the variable that holds its key, with --token-env`);
  }
  const { name, version, extensions } = json ?? {};
  return {
    name: typeof name === 'string' ? name : 'unknown',
    version: typeof version === 'string' ? version : '',
    extensions: [...new Set([...(Array.isArray(extensions) ? extensions.map(String) : []), ...assumed])],
  };
}

async function subjectOf(wire: Wire, { url, model, inputs }: TargetOptions): Promise<Subject> {
  if (model !== undefined) {
    const { status, json } = await wire.send(`/v2/models/${encodeURIComponent(model)}`);
    if (status !== 200 || json === null) {
      throw new PlatformError('not_found', `${url} has no metadata of model '${model}' (${status}): name one that it serves`);
    }
    return subject(model, json, inputs);
  }
  for (const name of [fixtures.affine, ...(await servedModels({ wire }))]) {
    const { status, json } = await wire.send(`/v2/models/${name}`);
    if (status === 200 && json !== null && isJsonable(specsOf(json['inputs']))) return subject(name, json, inputs);
  }
  throw new PlatformError(
    'invalid_request',
    `${url} lists no model with inputs that can be JSON: name one with --model, and a request for it with --input`,
  );
}

function subject(name: string, metadata: Json, inputs: readonly Input[] | undefined): Subject {
  if (inputs === undefined && !isJsonable(specsOf(metadata['inputs']))) {
    throw new PlatformError(
      'invalid_request',
      `the metadata of model '${name}' names no inputs that can be JSON: give a request that it takes, with --input`,
    );
  }
  return new Subject(name, metadata, inputs);
}
