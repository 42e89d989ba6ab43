/** Connects to the server, identifies it, and selects the model to test. */

import { Rpc } from './client/rpc.ts';
import { servedModels } from './client/served.ts';
import { type Input, isJsonable, ModelUnderTest, specsOf } from './client/subject.ts';
import { Target, type TargetFacts } from './client/target.ts';
import { type Json, Wire, type WireReply } from './client/wire.ts';
import { fixtures } from './fixtures.ts';
import type { SuiteClock } from './suite-clock.ts';
import { messageOf, SuiteError } from './suite-error.ts';

export interface TargetOptions {
  /** `http://HOST:PORT`, optionally with a path before `/v2`. */
  readonly url: string;
  /** `HOST:PORT`, with the prefix `https://` for TLS. */
  readonly grpc?: string | undefined;
  /** Sent as `Authorization: Bearer …`. */
  readonly token?: string | undefined;
  /** The model to test. Default: test-affine, otherwise the first suitable model that the server lists. */
  readonly model?: string | undefined;
  /** Inputs that the model accepts, if its metadata is insufficient or generated values do not work. */
  readonly inputs?: readonly Input[] | undefined;
  /** Extensions to test even if the server does not announce them. */
  readonly assumed?: readonly string[] | undefined;
  readonly bodyLimitBytes?: number | undefined;
  readonly mayReload: boolean;
  /** Timeout for each response. */
  readonly replyTimeoutMs: number;
  readonly clock: SuiteClock;
}

/** Throws `SuiteError` if the server does not respond or has no suitable model. */
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

async function answerOf(wire: Wire, url: string): Promise<WireReply> {
  try {
    return await wire.send('/v2');
  } catch (cause) {
    throw new SuiteError('unavailable', `no server responds at ${url} (${messageOf(cause)}): check the address`, { cause });
  }
}

/** The metadata of `GET /v2`. Malformed members are ignored here, because case C1 reports them. */
function facts({ url, assumed = [] }: TargetOptions, { status, json }: WireReply): TargetFacts['server'] {
  if (status === 401 || status === 403) {
    throw new SuiteError('unauthenticated', `${url} returned ${status}: pass the variable that holds its key with --token-env`);
  }
  const { name, version, extensions } = json ?? {};
  return {
    name: typeof name === 'string' ? name : 'unknown',
    version: typeof version === 'string' ? version : '',
    extensions: [...new Set([...(Array.isArray(extensions) ? extensions.map(String) : []), ...assumed])],
  };
}

async function subjectOf(wire: Wire, { url, model, inputs }: TargetOptions): Promise<ModelUnderTest> {
  if (model !== undefined) {
    const { status, json } = await wire.send(`/v2/models/${encodeURIComponent(model)}`);
    if (status !== 200 || json === null) {
      throw new SuiteError('not_found', `${url} returned ${status} for the metadata of model '${model}': name a model that it serves`);
    }
    return subject(model, json, inputs);
  }
  for (const name of [fixtures.affine, ...(await servedModels({ wire }))]) {
    const { status, json } = await wire.send(`/v2/models/${name}`);
    if (status === 200 && json !== null && isJsonable(specsOf(json['inputs']))) return subject(name, json, inputs);
  }
  throw new SuiteError(
    'invalid_request',
    `${url} lists no model whose inputs can be sent as JSON: name one with --model, and a request for it with --input`,
  );
}

function subject(name: string, metadata: Json, inputs: readonly Input[] | undefined): ModelUnderTest {
  if (inputs === undefined && !isJsonable(specsOf(metadata['inputs']))) {
    throw new SuiteError(
      'invalid_request',
      `the metadata of model '${name}' has no inputs that can be sent as JSON: pass a request with --input`,
    );
  }
  return new ModelUnderTest(name, metadata, inputs);
}
