export type { DeployedEndpoint, OipDeps } from './deps.ts';
export { type GrpcPort, openGrpc } from './grpc/open-grpc.ts';
export { oipServices } from './open-oip.ts';
export { isInferPath, isPredictPath } from './paths.ts';
export { OipRouter } from './router.ts';
