/** Action of every call of the Open Inference Protocol, over REST and gRPC. Null: no permission required (health). */
import type { Action } from '../access/index.ts';
import type { OipOperation } from './paths.ts';

/** By operation of REST. */
export const restActions = {
  live: null,
  'server-ready': null,
  server: 'read server status',
  models: 'read endpoints',
  'all-statistics': 'read endpoints',
  model: 'read endpoints',
  'model-ready': 'read endpoints',
  config: 'read endpoints',
  statistics: 'read endpoints',
  index: 'read endpoints',
  infer: 'invoke endpoint',
  generate: 'invoke endpoint',
  'generate-stream': 'invoke endpoint',
  predict: 'invoke endpoint',
  load: 'load endpoint',
  unload: 'load endpoint',
  // Whether a path exists is disclosed only to callers with the permission to read.
  unserved: 'read endpoints',
  unknown: 'read endpoints',
} as const satisfies Record<OipOperation, Action | null>;

/** By gRPC method. */
export const grpcActions = {
  ServerLive: null,
  ServerReady: null,
  Check: null,
  Watch: null,
  ServerReflectionInfo: null,
  ServerMetadata: 'read server status',
  ModelReady: 'read endpoints',
  ModelMetadata: 'read endpoints',
  ModelConfig: 'read endpoints',
  ModelStatistics: 'read endpoints',
  RepositoryIndex: 'read endpoints',
  RepositoryModelLoad: 'load endpoint',
  RepositoryModelUnload: 'load endpoint',
  ModelInfer: 'invoke endpoint',
  ModelStreamInfer: 'invoke endpoint',
} as const satisfies Record<string, Action | null>;

/** Unary calls that run no model. */
export type ControlMethod = Exclude<keyof typeof grpcActions, 'ModelInfer' | 'ModelStreamInfer' | 'Watch' | 'ServerReflectionInfo'>;
