/** The definition that all built-in alarms share. */
import type { AlarmDefinition } from './alarm.ts';

/** The definition of a built-in alarm as the APIs show it. Penstock evaluates such an alarm in code, not by its rule. */
export function builtInAlarm(name: string, description: string): AlarmDefinition {
  return {
    name,
    description,
    rule: {
      comparison: 'GreaterThanOrEqualToThreshold',
      threshold: 1,
      evaluationPeriods: 1,
      datapointsToAlarm: 1,
      missingData: 'notBreaching',
    },
    periodS: 60,
    queries: [],
    actionsEnabled: true,
    actions: { OK: [], ALARM: [], INSUFFICIENT_DATA: [] },
  };
}
