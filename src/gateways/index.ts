export { Fronts } from './fronts.ts';
