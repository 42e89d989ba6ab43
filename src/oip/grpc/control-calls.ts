/** Table of the calls that run no model: metadata, readiness, loading and unloading. They return the same documents as REST. */
import type { Action, Caller } from '../../access/index.ts';
import type { OipDeps } from '../deps.ts';
import { allStatistics, modelConfig, modelMetadata, modelStatisticsOf, repositoryIndex, serverMetadata } from '../documents.ts';
import { deployedAs, findModel, modelReadiness } from '../models.ts';
import { changeRepository } from '../repository.ts';
import { type ControlMethod, grpcActions } from './grpc-actions.ts';
import type { GrpcHealth } from './health.ts';
import type { ServiceName } from './protocol.ts';

/** As decoded by proto-loader: unset fields have their defaults. */
interface ModelRequest {
  readonly name: string;
  readonly version: string;
}

interface RepositoryRequest {
  readonly repository_name: string;
  readonly model_name: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** The change that a call requests. */
export interface RepositoryChange {
  readonly change: 'load' | 'unload';
  /** Name of the model. */
  readonly target: string;
}

/** One method, with its permission. */
export interface ControlCall {
  readonly service: ServiceName;
  readonly method: string;
  /** Null: no permission required. */
  readonly action: Action | null;
  readonly answer: (request: never, caller: Caller | null) => object | Promise<object>;
  /** For calls about one model; empty if none is named. */
  readonly modelOf?: (request: never) => string;
  /** For mutating calls: the change to audit if the call is rejected. */
  readonly changeOf?: (request: never) => RepositoryChange;
}

/** A method without a row does not exist: the server answers UNIMPLEMENTED. */
export function controlCalls(services: OipDeps, health: GrpcHealth): readonly ControlCall[] {
  const call = <Request>(
    method: ControlMethod,
    answer: (request: Request, caller: Caller | null) => object | Promise<object>,
    service: ServiceName = 'inference',
  ): ControlCall => ({ service, method, action: grpcActions[method], answer });
  return [
    call('ServerLive', () => ({ live: services.health().live })),
    call('ServerReady', () => ({ ready: services.health().ready })),
    call('Check', ({ service }: { service: string }) => ({ status: health.check(service) }), 'health'),
    call('ServerMetadata', () => serverMetadata(services.version)),
    ofModel('ModelReady', (requested) => ({ ready: modelReadiness(services, modelReferenceOf(requested)).refusal === null })),
    ofModel('ModelMetadata', (requested) => modelMetadata(findModel(services, modelReferenceOf(requested)))),
    ofModel('ModelConfig', (requested) => ({ config: modelConfig(findModel(services, modelReferenceOf(requested))) })),
    ofModel('ModelStatistics', (requested) => ({
      model_stats: requested.name === '' ? allStatistics(services) : modelStatisticsOf(services, modelReferenceOf(requested)),
    })),
    call('RepositoryIndex', ({ ready }: { ready: boolean }) => ({ models: repositoryIndex(services.deployed(), ready) })),
    changing(services, 'RepositoryModelLoad', 'load'),
    changing(services, 'RepositoryModelUnload', 'unload'),
  ];
}

function ofModel(method: ControlMethod, answer: (requested: ModelRequest) => object): ControlCall {
  return { service: 'inference', method, action: grpcActions[method], answer, modelOf: ({ name }: ModelRequest) => name };
}

function changing(services: OipDeps, method: ControlMethod, change: RepositoryChange['change']): ControlCall {
  return {
    service: 'inference',
    method,
    action: grpcActions[method],
    modelOf: (requested: RepositoryRequest) => nameIn(services, requested),
    changeOf: (requested: RepositoryRequest) => ({ change, target: nameIn(services, requested) }),
    answer: async (requested: RepositoryRequest, caller) => {
      const name = nameIn(services, requested);
      await changeRepository(services, change, name, Object.keys(requested.parameters), caller?.keyId ?? 'anonymous');
      return { model_name: name, [change === 'load' ? 'isLoaded' : 'isUnloaded']: true };
    },
  };
}

function modelReferenceOf({ name, version }: ModelRequest): { model: string; version: string | undefined } {
  return { model: name, version: version === '' ? undefined : version };
}

/** KServe clients send the model name in the field of the repository name. */
function nameIn(services: OipDeps, { model_name: model, repository_name: repository }: RepositoryRequest): string {
  return model === '' && deployedAs(services, repository) !== undefined ? repository : model;
}
