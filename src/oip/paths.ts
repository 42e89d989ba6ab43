/** Parses paths under /v2, and under /v1 of KServe's first protocol. Parsed by hand and cached, because every inference request passes here. */

import type { Action } from '../access/index.ts';

interface RestOperation {
  /** Requires its permission; null for probes, which require none. */
  readonly action: Action | null;
  readonly method: 'GET' | 'POST';
  /** `{m}` stands for the name of a model. */
  readonly path: string;
}

/** Every operation. A new one is a row here, in the parsing below, and a handler in `router.ts`. */
export const restOperations = {
  live: { action: null, method: 'GET', path: '/v2/health/live' },
  'server-ready': { action: null, method: 'GET', path: '/v2/health/ready' },
  server: { action: 'read server status', method: 'GET', path: '/v2/' },
  models: { action: 'read endpoints', method: 'GET', path: '/v2/models' },
  'all-statistics': { action: 'read endpoints', method: 'GET', path: '/v2/models/stats' },
  model: { action: 'read endpoints', method: 'GET', path: '/v2/models/{m}' },
  'model-ready': { action: 'read endpoints', method: 'GET', path: '/v2/models/{m}/ready' },
  config: { action: 'read endpoints', method: 'GET', path: '/v2/models/{m}/config' },
  statistics: { action: 'read endpoints', method: 'GET', path: '/v2/models/{m}/stats' },
  index: { action: 'read endpoints', method: 'POST', path: '/v2/repository/index' },
  infer: { action: 'invoke endpoint', method: 'POST', path: '/v2/models/{m}/infer' },
  generate: { action: 'invoke endpoint', method: 'POST', path: '/v2/models/{m}/generate' },
  'generate-stream': { action: 'invoke endpoint', method: 'POST', path: '/v2/models/{m}/generate_stream' },
  predict: { action: 'invoke endpoint', method: 'POST', path: '/v1/models/{m}:predict' },
  load: { action: 'load endpoint', method: 'POST', path: '/v2/repository/models/{m}/load' },
  unload: { action: 'load endpoint', method: 'POST', path: '/v2/repository/models/{m}/unload' },
  // Whether a path exists is disclosed only to callers with the permission to read.
  unserved: { action: 'read endpoints', method: 'GET', path: '/v2/logging' },
  unknown: { action: 'read endpoints', method: 'GET', path: '/v2/what/is/this' },
} as const satisfies Record<string, RestOperation>;

/** An operation of the protocol over REST. */
export type OipOperation = keyof typeof restOperations;

/** What a path says. */
export interface ParsedPath {
  readonly kind: OipOperation;
  /** Decoded; empty if the path names no model. */
  readonly model: string;
  /** Undefined: chosen by the traffic split. */
  readonly version: string | undefined;
  readonly path: string;
}

/** Operations that run the model. */
export const inferenceOperations: readonly OipOperation[] = ['infer', 'generate', 'generate-stream'];

/** The methods of an operation, in the format of the header Allow. */
export function allowedMethods(kind: OipOperation): string {
  return restOperations[kind].method === 'POST' ? 'POST, OPTIONS' : 'GET, HEAD, OPTIONS';
}

const modelCalls: Readonly<Record<string, OipOperation>> = {
  ready: 'model-ready',
  config: 'config',
  stats: 'statistics',
  infer: 'infer',
  generate: 'generate',
  generate_stream: 'generate-stream',
};

const serverCalls: Readonly<Record<string, OipOperation>> = {
  '': 'server',
  'health/live': 'live',
  'health/ready': 'server-ready',
  models: 'models',
  'models/stats': 'all-statistics',
  'repository/index': 'index',
};

/** Whether this is the path of an inference, whose requests are small and plain in most cases. */
export function isInferPath(path: string): boolean {
  return path.startsWith('/v2/models/') && path.endsWith('/infer');
}

/** The same for KServe's first protocol. */
export function isPredictPath(path: string): boolean {
  return path.startsWith('/v1/models/') && path.endsWith(':predict');
}

const cachedMax = 2048;

/** Bounded, because paths come from clients. */
export class PathCache {
  readonly #cached = new Map<string, ParsedPath>();

  /** `path` begins with /v2 or /v1 and has no query. */
  at(path: string): ParsedPath {
    const cached = this.#cached.get(path);
    if (cached !== undefined) return cached;
    const position = parseOipPath(path);
    // Random paths only clear the cache; its size stays bounded.
    if (this.#cached.size >= cachedMax) this.#cached.clear();
    this.#cached.set(path, position);
    return position;
  }
}

/** Never throws: an unknown path has the operation `unknown`, one of an unsupported extension `unserved`. */
export function parseOipPath(path: string): ParsedPath {
  const parsedPath = (kind: OipOperation, model = '', version?: string): ParsedPath => ({ kind, model, version, path });
  if (path.startsWith('/v1')) return parseV1Path(path, parsedPath);
  const rest = path.slice('/v2/'.length);
  if (Object.hasOwn(serverCalls, rest)) return parsedPath(serverCalls[rest] as OipOperation);
  const parts = rest.split('/');
  if (parts[0] === 'models' && parts[1] !== undefined && parts[1] !== '') return parseModelPath(parts, parsedPath);
  if (parts[0] === 'repository') return parsedPath(repositoryKind(parts), decode(parts[2] ?? ''));
  const isShared = parts[0] === 'systemsharedmemory' || parts[0] === 'cudasharedmemory';
  return parsedPath(isShared || rest === 'trace/setting' || rest === 'logging' ? 'unserved' : 'unknown');
}

/** `/v1/models`, `/v1/models/{m}` and `/v1/models/{m}:predict`. */
function parseV1Path(path: string, parsedPath: (kind: OipOperation, model?: string) => ParsedPath): ParsedPath {
  if (path === '/v1/models') return parsedPath('models');
  const [, model = '', call] = /^\/v1\/models\/([^/:]+)(?::(predict|explain))?$/.exec(path) ?? [];
  if (model === '') return parsedPath('unknown');
  if (call === undefined) return parsedPath('model-ready', decode(model));
  return parsedPath(call === 'predict' ? 'predict' : 'unserved', decode(model));
}

function parseModelPath(
  parts: readonly string[],
  parsedPath: (kind: OipOperation, model?: string, version?: string) => ParsedPath,
): ParsedPath {
  const model = decode(parts[1] as string);
  const hasVersion = parts[2] === 'versions' && parts[3] !== undefined && parts[3] !== '';
  const version = hasVersion ? decode(parts[3] as string) : undefined;
  const call = parts.slice(hasVersion ? 4 : 2);
  if (call.length === 0) return parsedPath('model', model, version);
  if (call.length === 2 && call[0] === 'trace' && call[1] === 'setting') return parsedPath('unserved', model, version);
  const [name = ''] = call;
  return call.length === 1 && Object.hasOwn(modelCalls, name)
    ? parsedPath(modelCalls[name] as OipOperation, model, version)
    : parsedPath('unknown');
}

function repositoryKind(parts: readonly string[]): OipOperation {
  if (parts.length === 3 && parts[2] === 'index') return 'index';
  if (parts.length !== 4 || parts[1] !== 'models' || parts[2] === '') return 'unknown';
  return parts[3] === 'load' || parts[3] === 'unload' ? parts[3] : 'unknown';
}

/** A malformed escape is left unchanged; no model has such a name. */
function decode(part: string): string {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
