/** Notes about a busy machine: why responses are late although the model is fast enough. Pure. */
import type { BusyTime } from '../../metrics/index.ts';
import { type Objective, objectiveShare } from '../../objective.ts';

/** Shorter busy times explain no missed objective of an hour. */
const minutesMin = 1;

/** Null unless the objective is missed, `inTime` being its share in the last hour, and the machine was busy. */
export function busyMachineNote(objective: Objective | null, inTime: number | null, busy: BusyTime | null): string | null {
  if (objective === null || inTime === null || inTime >= objectiveShare(objective)) return null;
  if (busy === null || busy.minutes < minutesMin) return null;
  return (
    `the machine was busy in ${Math.round(busy.minutes)} of the last ${Math.round(busy.ofMinutes)} min, ` +
    `${Math.round(100 * busy.othersShare)} % of its processors by other processes: responses wait for a processor then`
  );
}
