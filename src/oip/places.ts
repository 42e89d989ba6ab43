/** What a path under /v2, or under /v1 of KServe's first protocol, stands for. Read by hand and remembered, because every inference request passes here. */

export type Kind =
  | 'server'
  | 'live'
  | 'server-ready'
  | 'models'
  | 'all-statistics'
  | 'model'
  | 'model-ready'
  | 'config'
  | 'statistics'
  | 'infer'
  | 'generate'
  | 'generate-stream'
  | 'predict'
  | 'index'
  | 'load'
  | 'unload'
  | 'unserved'
  | 'unknown';

export interface Place {
  readonly kind: Kind;
  /** Decoded; empty where the path names no model. */
  readonly model: string;
  /** Undefined where the path leaves it to the traffic split. */
  readonly version: string | undefined;
  readonly path: string;
}

/** Those that run the model. */
export const inferring: readonly Kind[] = ['infer', 'generate', 'generate-stream'];

const posted: readonly Kind[] = [...inferring, 'predict', 'index', 'load', 'unload'];

/** The verbs that a place answers, as the header Allow has them. */
export function allowedAt(kind: Kind): string {
  return posted.includes(kind) ? 'POST, OPTIONS' : 'GET, HEAD, OPTIONS';
}

const modelCalls: Readonly<Record<string, Kind>> = {
  ready: 'model-ready',
  config: 'config',
  stats: 'statistics',
  infer: 'infer',
  generate: 'generate',
  generate_stream: 'generate-stream',
};

const serverCalls: Readonly<Record<string, Kind>> = {
  '': 'server',
  'health/live': 'live',
  'health/ready': 'server-ready',
  models: 'models',
  'models/stats': 'all-statistics',
  'repository/index': 'index',
};

const rememberedMax = 2048;

export class Places {
  readonly #remembered = new Map<string, Place>();

  /** `path` begins with /v2 or /v1 and has no query. */
  at(path: string): Place {
    const remembered = this.#remembered.get(path);
    if (remembered !== undefined) return remembered;
    const place = readPlace(path);
    // Whoever calls random paths makes it start afresh, nothing worse.
    if (this.#remembered.size >= rememberedMax) this.#remembered.clear();
    this.#remembered.set(path, place);
    return place;
  }
}

export function readPlace(path: string): Place {
  const place = (kind: Kind, model = '', version?: string): Place => ({ kind, model, version, path });
  if (path.startsWith('/v1')) return firstPlace(path, place);
  const rest = path.slice('/v2/'.length);
  if (Object.hasOwn(serverCalls, rest)) return place(serverCalls[rest] as Kind);
  const parts = rest.split('/');
  if (parts[0] === 'models' && parts[1] !== undefined && parts[1] !== '') return modelPlace(parts, place);
  if (parts[0] === 'repository') return place(repositoryKind(parts), decode(parts[2] ?? ''));
  const isShared = parts[0] === 'systemsharedmemory' || parts[0] === 'cudasharedmemory';
  return place(isShared || rest === 'trace/setting' || rest === 'logging' ? 'unserved' : 'unknown');
}

/** `/v1/models`, `/v1/models/{m}` and `/v1/models/{m}:predict`. */
function firstPlace(path: string, place: (kind: Kind, model?: string) => Place): Place {
  if (path === '/v1/models') return place('models');
  const [, model = '', call] = /^\/v1\/models\/([^/:]+)(?::(predict|explain))?$/.exec(path) ?? [];
  if (model === '') return place('unknown');
  if (call === undefined) return place('model-ready', decode(model));
  return place(call === 'predict' ? 'predict' : 'unserved', decode(model));
}

function modelPlace(parts: readonly string[], place: (kind: Kind, model?: string, version?: string) => Place): Place {
  const model = decode(parts[1] as string);
  const hasVersion = parts[2] === 'versions' && parts[3] !== undefined && parts[3] !== '';
  const version = hasVersion ? decode(parts[3] as string) : undefined;
  const call = parts.slice(hasVersion ? 4 : 2);
  if (call.length === 0) return place('model', model, version);
  if (call.length === 2 && call[0] === 'trace' && call[1] === 'setting') return place('unserved', model, version);
  const [name = ''] = call;
  return call.length === 1 && Object.hasOwn(modelCalls, name) ? place(modelCalls[name] as Kind, model, version) : place('unknown');
}

function repositoryKind(parts: readonly string[]): Kind {
  if (parts.length === 3 && parts[2] === 'index') return 'index';
  if (parts.length !== 4 || parts[1] !== 'models' || parts[2] === '') return 'unknown';
  return parts[3] === 'load' || parts[3] === 'unload' ? parts[3] : 'unknown';
}

/** A broken escape is no model's name: it is left as it is, and not found. */
function decode(part: string): string {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
