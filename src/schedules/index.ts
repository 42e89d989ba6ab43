export { nextDueMs, parseSchedule, type Schedule } from './schedule.ts';
