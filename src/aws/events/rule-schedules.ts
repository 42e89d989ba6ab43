/**
 * Runs rules that have a schedule. A due time is handled in the transaction that adds its deliveries, so a restart neither loses nor
 * repeats it. Due times missed while the server was down run once, together.
 */
import { randomUUID } from 'node:crypto';
import type { Envelope, Rule, RuleSchedule, Rules } from '../../alerts/index.ts';
import { type Clock, Loop } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { withoutOrigin } from '../../records/index.ts';
import { nextDueMs, parseSchedule } from '../../schedules/index.ts';
import type { AwsLocation } from '../service.ts';

export interface RuleSchedulesOptions {
  readonly rules: Pick<Rules, 'list' | 'fire'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly awsLocation: AwsLocation;
  readonly ruleArn: (name: string) => string;
}

/** AWS schedules in minutes; a new rule may wait this much longer for its first time. */
const pollEveryMs = 10_000;

/** Throws `invalid_request` unless the expression is a rate or a cron expression with a next time. */
export function checkExpression(expression: string, nowMs: number): void {
  const hint = 'expected rate(5 minutes), rate(1 hour) or cron(0 8 ? * MON-FRI *), in UTC';
  if (!/^(?:rate|cron)\(/.test(expression)) {
    throw new PlatformError('invalid_request', `Parameter ScheduleExpression is not valid: ${hint}, got '${expression.slice(0, 80)}'.`);
  }
  if (nextDueMs(parseSchedule(expression), nowMs, nowMs) === null) {
    throw new PlatformError('invalid_request', `Parameter ScheduleExpression is not valid: ${expression.slice(0, 80)} is never due.`);
  }
}

/** One loop over all rules with a schedule. It fires a rule when its time has come. */
export class RuleSchedules {
  readonly #options: RuleSchedulesOptions;
  /** Next due times by rule, with the schedule that they belong to: searching one can take milliseconds. */
  readonly #due = new Map<string, { readonly schedule: RuleSchedule; readonly dueMs: number | null }>();
  readonly #loop: Loop;

  constructor(options: RuleSchedulesOptions) {
    this.#options = options;
    const onFailure = (error: unknown): void => options.log.error({ error: messageOf(error) }, 'failed to run the scheduled rules');
    this.#loop = new Loop({ clock: options.clock, everyMs: pollEveryMs, run: () => withoutOrigin(() => this.#poll()), onFailure });
  }

  open(): void {
    this.#loop.runNow();
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  /** Resolves to the delay until the next run, in milliseconds. */
  async #poll(): Promise<number> {
    const { rules, clock } = this.#options;
    const scheduled = rules.list().filter(({ schedule, isEnabled }) => schedule !== undefined && isEnabled);
    const names = new Set(scheduled.map(({ name }) => name));
    for (const name of this.#due.keys()) if (!names.has(name)) this.#due.delete(name);
    let delayMs = pollEveryMs;
    for (const rule of scheduled) {
      const dueMs = this.#dueMsOf(rule);
      const nowMs = clock.wallMs();
      if (dueMs === null) continue;
      if (dueMs <= nowMs) await this.#fire(rule, dueMs, nowMs);
      else delayMs = Math.min(delayMs, dueMs - nowMs);
    }
    return delayMs;
  }

  /** Null if there is none, or the stored expression is not valid. */
  #dueMsOf({ name, schedule }: Rule): number | null {
    if (schedule === undefined) return null;
    const known = this.#due.get(name);
    if (known?.schedule.expression === schedule.expression && known.schedule.handledMs === schedule.handledMs) return known.dueMs;
    let dueMs: number | null = null;
    try {
      dueMs = nextDueMs(parseSchedule(schedule.expression), schedule.handledMs, schedule.sinceMs);
    } catch (error) {
      this.#options.log.warn({ rule: name, error: messageOf(error) }, 'the schedule of the rule is not valid: put the rule again');
    }
    this.#due.set(name, { schedule, dueMs });
    return dueMs;
  }

  async #fire({ name }: Rule, dueMs: number, nowMs: number): Promise<void> {
    const { rules, awsLocation, ruleArn, log } = this.#options;
    const envelope: Envelope = {
      version: '0',
      id: randomUUID(),
      'detail-type': 'Scheduled Event',
      source: 'aws.events',
      account: awsLocation.account,
      time: new Date(dueMs).toISOString().replace(/\.\d+Z$/, 'Z'),
      region: awsLocation.region,
      resources: [ruleArn(name)],
      detail: {},
    };
    try {
      await rules.fire(name, envelope, nowMs);
    } catch (error) {
      log.error({ rule: name, error: messageOf(error) }, 'failed to run a scheduled rule, will retry');
    }
  }
}
