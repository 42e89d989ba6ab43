/** The EventBridge service: rules over platform events and events from clients, on a single bus. */

import { randomUUID } from 'node:crypto';
import { hasPermission } from '../../access/index.ts';
import { type Envelope, missingMember, type Rule, type RuleSchedule, type Rules, redactAddress } from '../../alerts/index.ts';
import type { Clock } from '../../clock.ts';
import { documentLimits, parseJsonWithin } from '../../codecs/index.ts';
import { compilePattern } from '../../event-patterns/index.ts';
import { pageAtOffset } from '../../pages.ts';
import {
  type AwsCall,
  AwsError,
  type AwsInput,
  type AwsLocation,
  type AwsOperation,
  type AwsOutput,
  type AwsService,
  changeOperation,
  dataOperation,
  readOperation,
} from '../service.ts';
import { checkExpression } from './rule-schedules.ts';
import { redactedTarget, ruleTargetOf, type TargetRules, targetError, withStoredSecrets } from './targets.ts';

/** The stored rules and the clock, with what checking a target needs. */
export interface EventsServiceOptions extends TargetRules {
  readonly rules: Pick<Rules, 'list' | 'get' | 'put' | 'delete' | 'offer' | 'faultOf'>;
  readonly clock: Pick<Clock, 'wallMs'>;
}

/** The only event bus. */
const bus = 'default';
const limitMax = 100;
/** EventBridge's limit for all entries of a request: text within text is parsed, too. */
const eventBytesMax = 256 * 1024;
/** The greatest that a date can hold. */
const timeMsMax = 8.64e15;

/** Operations on rules, targets, events and the one bus, as a service of the AWS endpoint. */
export function eventsService(options: EventsServiceOptions): AwsService {
  const operations = { ...ruleOperations(options), ...targetOperations(options), ...eventOperations(options), ...busOperations() };
  return { name: 'events', operations };
}

function ruleOperations({ rules, clock }: EventsServiceOptions): Record<string, AwsOperation> {
  const setEnabled = async (input: AwsInput, isEnabled: boolean): Promise<AwsOutput> => {
    requireDefaultBus(input);
    const rule = rules.get(String(input.Name));
    const patternFault = patternFaultOf(rules, rule.name);
    if (isEnabled && patternFault !== null) throw new AwsError('InvalidEventPatternException', patternFault);
    await rules.put({ ...rule, isEnabled });
    return {};
  };
  return {
    PutRule: changeOperation('change rule', async (input, call) => {
      requireDefaultBus(input);
      const name = String(input.Name);
      const { EventPattern: pattern, ScheduleExpression: expression } = input;
      if (typeof pattern !== 'string' && typeof expression !== 'string')
        throw new AwsError('ValidationException', 'Parameter(s) EventPattern or ScheduleExpression must be specified.');
      if (typeof pattern === 'string') checkedPattern(pattern);
      const known = rules.list().find((rule) => rule.name === name);
      const rule: Rule = {
        name,
        description: typeof input.Description === 'string' ? input.Description : '',
        pattern: typeof pattern === 'string' ? pattern : '',
        schedule: typeof expression === 'string' ? scheduleOf(expression, known, clock.wallMs()) : undefined,
        isEnabled: input.State !== 'DISABLED',
        targets: known?.targets ?? [],
        createdBy: known?.createdBy ?? call.caller.keyId,
        createdAtMs: known?.createdAtMs ?? clock.wallMs(),
      };
      await rules.put(rule);
      return { RuleArn: ruleArn(call, name) };
    }),
    DescribeRule: readOperation('read rules', (input, call) => {
      requireDefaultBus(input);
      const rule = rules.get(String(input.Name));
      return { ...summary(rule, call), CreatedBy: call.account };
    }),
    ListRules: readOperation('read rules', (input, call) => {
      requireDefaultBus(input);
      const prefix = typeof input.NamePrefix === 'string' ? input.NamePrefix : '';
      const { items, next } = page(
        rules.list().filter(({ name }) => name.startsWith(prefix)),
        input,
      );
      return { Rules: items.map((rule) => summary(rule, call)), ...next };
    }),
    DeleteRule: changeOperation('change rule', async (input) => {
      requireDefaultBus(input);
      const rule = rules.list().find(({ name }) => name === input.Name);
      if (rule !== undefined && rule.targets.length > 0)
        throw new AwsError('ValidationException', "Rule can't be deleted since it has targets.");
      await rules.delete(String(input.Name));
      return {};
    }),
    EnableRule: changeOperation('change rule', async (input) => setEnabled(input, true)),
    DisableRule: changeOperation('change rule', async (input) => setEnabled(input, false)),
  };
}

/** The same expression again keeps its due times. */
function scheduleOf(expression: string, known: Rule | undefined, nowMs: number): RuleSchedule {
  checkExpression(expression, nowMs);
  if (known?.isEnabled === true && known.schedule?.expression === expression) return known.schedule;
  return { expression, sinceMs: nowMs, handledMs: nowMs };
}

function targetOperations({ rules, canDeliver, checkUrl }: EventsServiceOptions): Record<string, AwsOperation> {
  return {
    PutTargets: changeOperation('change rule', async (input) => {
      requireDefaultBus(input);
      const rule = rules.get(String(input.Rule));
      const failed: AwsOutput[] = [];
      const patternFault = patternFaultOf(rules, rule.name);
      const targets = new Map(rule.targets.map((target) => [target.id, target]));
      for (const each of input.Targets as readonly AwsInput[]) {
        // Report a failure per target, because clients check FailedEntries. A success would promise deliveries that never happen.
        if (patternFault !== null) {
          failed.push({ TargetId: each.Id, ErrorCode: 'InvalidEventPatternException', ErrorMessage: patternFault });
          continue;
        }
        const input = withStoredSecrets(each, targets.get(String(each.Id)));
        const target = ruleTargetOf(input);
        const problem = targetError(input, target, { canDeliver, checkUrl });
        if (problem === null) targets.set(target.id, target);
        else failed.push({ TargetId: target.id, ErrorCode: 'ValidationException', ErrorMessage: problem });
      }
      await rules.put({ ...rule, targets: [...targets.values()] });
      return { FailedEntryCount: failed.length, FailedEntries: failed };
    }),
    RemoveTargets: changeOperation('change rule', async (input) => {
      requireDefaultBus(input);
      const rule = rules.get(String(input.Rule));
      const ids = new Set(input.Ids as readonly string[]);
      await rules.put({ ...rule, targets: rule.targets.filter(({ id }) => !ids.has(id)) });
      return { FailedEntryCount: 0, FailedEntries: [] };
    }),
    ListTargetsByRule: readOperation('read rules', (input, { caller }) => {
      requireDefaultBus(input);
      const { items, next } = page(rules.get(String(input.Rule)).targets, input);
      const showsAddresses = hasPermission(caller.role, 'deploy');
      const targets = showsAddresses ? items : items.map((target) => ({ ...target, arn: redactAddress(target.arn) }));
      return { Targets: targets.map(redactedTarget), ...next };
    }),
  };
}

function eventOperations({ rules, clock }: EventsServiceOptions): Record<string, AwsOperation> {
  return {
    PutEvents: dataOperation('report event', async (input, call) => {
      const entries: AwsOutput[] = [];
      const bytes = (input.Entries as readonly AwsInput[]).reduce((sum, entry) => sum + bytesOf(entry), 0);
      if (bytes > eventBytesMax)
        throw new AwsError('ValidationException', `Total size of the entries in the request is over the limit of ${eventBytesMax} bytes.`);
      for (const entry of input.Entries as readonly AwsInput[]) entries.push(await putEvent(entry, call));
      return { FailedEntryCount: entries.filter(({ ErrorCode }) => ErrorCode !== undefined).length, Entries: entries };
    }),
    TestEventPattern: readOperation('read rules', (input) => {
      const matches = checkedPattern(String(input.EventPattern));
      if (Buffer.byteLength(String(input.Event)) > eventBytesMax)
        throw new AwsError('ValidationException', `Parameter Event is over the limit of ${eventBytesMax} bytes.`);
      let event: unknown;
      try {
        event = parseJsonWithin(String(input.Event), documentLimits);
      } catch {
        throw new AwsError('ValidationException', 'Parameter Event is not valid JSON.');
      }
      const missing = missingMember(event);
      if (missing !== null)
        throw new AwsError(
          'ValidationException',
          `Parameter Event is not valid. Reason: it must have id, account, source, time, region, resources and detail-type; ${missing} is missing.`,
        );
      return { Result: matches(event) };
    }),
  };

  async function putEvent(entry: AwsInput, { account, region }: AwsCall): Promise<AwsOutput> {
    const rejected = (code: string, message: string): AwsOutput => ({ ErrorCode: code, ErrorMessage: message });
    for (const member of ['Source', 'DetailType', 'Detail']) {
      if (typeof entry[member] !== 'string' || entry[member] === '')
        return rejected('InvalidArgument', `Parameter ${member} is not valid. Reason: ${member} is a required argument.`);
    }
    // AWS reserves `aws.` for its services; here both belong to platform events. Patterns may ignore case.
    if (/^(?:aws\.|penstock(?:\.|$))/i.test(String(entry.Source)))
      return rejected('NotAuthorizedForSourceException', 'Not authorized for the source.');
    if (entry.EventBusName !== undefined && !isDefault(entry.EventBusName))
      return rejected('InvalidArgument', `Event bus ${JSON.stringify(entry.EventBusName)} does not exist.`);
    let detail: unknown;
    try {
      detail = parseJsonWithin(String(entry.Detail), documentLimits);
    } catch {
      return rejected('MalformedDetail', 'Detail is malformed.');
    }
    const atMs = typeof entry.Time === 'number' ? entry.Time : clock.wallMs();
    if (!(Math.abs(atMs) <= timeMsMax)) return rejected('InvalidArgument', 'Parameter Time is not valid. Reason: it is not a date.');
    const envelope: Envelope = {
      version: '0',
      id: randomUUID(),
      'detail-type': String(entry.DetailType),
      source: String(entry.Source),
      account,
      time: new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z'),
      region,
      resources: Array.isArray(entry.Resources) ? entry.Resources.map(String) : [],
      detail,
    };
    await rules.offer(envelope);
    return { EventId: envelope.id };
  }
}

function busOperations(): Record<string, AwsOperation> {
  const shown = ({ region, account }: AwsLocation): AwsOutput => ({
    Name: bus,
    Arn: `arn:aws:events:${region}:${account}:event-bus/${bus}`,
  });
  return {
    DescribeEventBus: readOperation('read rules', (input, call) => {
      if (input.Name !== undefined && !isDefault(input.Name)) throw noBus(input.Name);
      return shown(call);
    }),
    ListEventBuses: readOperation('read rules', (input, call) => ({
      EventBuses: bus.startsWith(typeof input.NamePrefix === 'string' ? input.NamePrefix : '') ? [shown(call)] : [],
    })),
  };
}

function requireDefaultBus({ EventBusName }: AwsInput): void {
  if (EventBusName !== undefined && !isDefault(EventBusName)) throw noBus(EventBusName);
}

function isDefault(name: unknown): boolean {
  return name === bus || (typeof name === 'string' && name.endsWith(`:event-bus/${bus}`));
}

function noBus(name: unknown): AwsError {
  return new AwsError('ResourceNotFoundException', `Event bus ${String(name)} does not exist.`);
}

/** Patterns are validated again at each start, so one that an older version accepted may be invalid now. */
function patternFaultOf(rules: EventsServiceOptions['rules'], name: string): string | null {
  const fault = rules.faultOf(name);
  if (fault === null) return null;
  return `Rule ${name} matches nothing, because its stored pattern is no longer valid: ${fault}. Put the rule again with a valid pattern.`;
}

function bytesOf({ Source: source, DetailType: type, Detail: detail }: AwsInput): number {
  return [source, type, detail].reduce((sum: number, text) => sum + (typeof text === 'string' ? Buffer.byteLength(text) : 0), 0);
}

function checkedPattern(text: string): ReturnType<typeof compilePattern> {
  try {
    return compilePattern(text);
  } catch (cause) {
    throw new AwsError('InvalidEventPatternException', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

export function ruleArn({ region, account }: AwsLocation, name: string): string {
  return `arn:aws:events:${region}:${account}:rule/${name}`;
}

function summary({ name, description, pattern, schedule, isEnabled }: Rule, awsLocation: AwsLocation): AwsOutput {
  return {
    Name: name,
    Arn: ruleArn(awsLocation, name),
    ...(pattern === '' ? {} : { EventPattern: pattern }),
    ...(schedule === undefined ? {} : { ScheduleExpression: schedule.expression }),
    State: isEnabled ? 'ENABLED' : 'DISABLED',
    ...(description === '' ? {} : { Description: description }),
    EventBusName: bus,
  };
}

/** The token is an offset, so a list that changes between pages may repeat or skip items. */
function page<Item>(all: readonly Item[], { NextToken, Limit }: AwsInput): { items: readonly Item[]; next: { NextToken?: string } } {
  const from = NextToken === undefined ? 0 : Number(NextToken);
  if (!Number.isInteger(from) || from < 0)
    throw new AwsError('ValidationException', 'Parameter NextToken is not valid: expected the token of the previous page.');
  const limit = Math.min(typeof Limit === 'number' ? Limit : limitMax, limitMax);
  const { items, next } = pageAtOffset(all, { offset: from, limit });
  return { items, next: next === null ? {} : { NextToken: next } };
}
