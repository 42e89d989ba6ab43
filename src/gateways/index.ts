export { Fronts } from './fronts.ts';
export { NodeFronts } from './node-fronts.ts';
