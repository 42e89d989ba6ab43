export { compilePattern, type EventPattern } from './event-pattern.ts';
