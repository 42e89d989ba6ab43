export { OipDoor } from './door.ts';
export { loadGrpcDoor } from './grpc/load.ts';
export { loadProtocol, type Protocol } from './grpc/protocol.ts';
export type { Deployed, OipServices } from './neighbours.ts';
