export { OipDoor } from './door.ts';
export type { Deployed, OipServices } from './neighbours.ts';
