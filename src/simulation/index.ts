export { type Load, type LoadText, loadOfTrace, type Part, parseLoad } from './load.ts';
export { parseTrace, type Trace } from './trace.ts';
