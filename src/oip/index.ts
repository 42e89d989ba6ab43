export type { DeployedEndpoint, OipDeps } from './deps.ts';
export { loadGrpcServer } from './grpc/load.ts';
export { loadProtocol, type Protocol } from './grpc/protocol.ts';
export { OipRouter } from './router.ts';
