/** The calls that run no model: what there is, whether it is ready, loading and unloading. One table; the documents are those of REST. */
import type { Caller, Permission } from '../../access/index.ts';
import { allStatistics, modelConfig, modelMetadata, repositoryIndex, serverMetadata, statisticsOf } from '../documents.ts';
import { deployedAs, findModel, modelReadiness } from '../models.ts';
import type { OipServices } from '../neighbours.ts';
import { changeRepository } from '../repository.ts';
import type { GrpcHealth } from './health.ts';
import type { ServiceName } from './protocol.ts';

/** As proto-loader reads it: everything is there, at least as its default. */
interface ModelRequest {
  readonly name: string;
  readonly version: string;
}

interface RepositoryRequest {
  readonly repository_name: string;
  readonly model_name: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** What a call would change. */
export interface RepositoryChange {
  readonly change: 'load' | 'unload';
  /** The model's name. */
  readonly target: string;
}

export interface ControlCall {
  readonly service: ServiceName;
  readonly method: string;
  /** Null: open to everybody. */
  readonly permission: Permission | null;
  readonly answer: (request: never, caller: Caller | null) => object | Promise<object>;
  /** Of those about one model; empty where none is named. */
  readonly modelOf?: (request: never) => string;
  /** Of those that change something: for whoever tells that they were refused. */
  readonly changeOf?: (request: never) => RepositoryChange;
}

export function controlCalls(services: OipServices, health: GrpcHealth): readonly ControlCall[] {
  const call = <Request>(
    method: string,
    permission: Permission | null,
    answer: (request: Request, caller: Caller | null) => object | Promise<object>,
    service: ServiceName = 'inference',
  ): ControlCall => ({ service, method, permission, answer });
  return [
    call('ServerLive', null, () => ({ live: services.health().live })),
    call('ServerReady', null, () => ({ ready: services.health().ready })),
    call('Check', null, ({ service }: { service: string }) => ({ status: health.check(service) }), 'health'),
    call('ServerMetadata', 'read', () => serverMetadata(services.version)),
    ofModel('ModelReady', (asked) => ({ ready: modelReadiness(services, place(asked)).refusal === null })),
    ofModel('ModelMetadata', (asked) => modelMetadata(findModel(services, place(asked)))),
    ofModel('ModelConfig', (asked) => ({ config: modelConfig(findModel(services, place(asked))) })),
    ofModel('ModelStatistics', (asked) => ({
      model_stats: asked.name === '' ? allStatistics(services) : statisticsOf(services, place(asked)),
    })),
    call('RepositoryIndex', 'read', ({ ready }: { ready: boolean }) => ({ models: repositoryIndex(services.deployed(), ready) })),
    changing(services, 'RepositoryModelLoad', 'load'),
    changing(services, 'RepositoryModelUnload', 'unload'),
  ];
}

function ofModel(method: string, answer: (asked: ModelRequest) => object): ControlCall {
  return { service: 'inference', method, permission: 'read', answer, modelOf: ({ name }: ModelRequest) => name };
}

function changing(services: OipServices, method: string, change: RepositoryChange['change']): ControlCall {
  return {
    service: 'inference',
    method,
    permission: 'deploy',
    modelOf: (asked: RepositoryRequest) => nameIn(services, asked),
    changeOf: (asked: RepositoryRequest) => ({ change, target: nameIn(services, asked) }),
    answer: async (asked: RepositoryRequest, caller) => {
      const name = nameIn(services, asked);
      await changeRepository(services, change, name, Object.keys(asked.parameters), caller?.keyId ?? 'anonymous');
      return { model_name: name, [change === 'load' ? 'isLoaded' : 'isUnloaded']: true };
    },
  };
}

function place({ name, version }: ModelRequest): { model: string; version: string | undefined } {
  return { model: name, version: version === '' ? undefined : version };
}

/** KServe's clients have the model's name where others have the repository's. */
function nameIn(services: OipServices, { model_name: model, repository_name: repository }: RepositoryRequest): string {
  return model === '' && deployedAs(services, repository) !== undefined ? repository : model;
}
