export { OipDoor } from './door.ts';
export { loadProtocol, type Protocol } from './grpc/protocol.ts';
export type { Deployed, OipServices } from './neighbours.ts';
