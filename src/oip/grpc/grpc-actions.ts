/** Action of every gRPC method. Null: no permission required (health). */
import type { Action } from '../../access/index.ts';

/** By method. */
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
