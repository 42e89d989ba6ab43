/** EventBridge: rules over what happens here and what others put, on the one bus there is. */
import { randomUUID } from 'node:crypto';
import { hasPermission } from '../../access/index.ts';
import type { Clock } from '../../clock.ts';
import { addressShown, compilePattern, type Envelope, missingMember, type Rule, type Rules } from '../../monitoring/index.ts';
import { type Recording, recorded } from '../recorded.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsOutput, type AwsPlace, type AwsService } from '../service.ts';
import { complaint, targetOf, targetShown, withKnownValues } from './targets.ts';

export interface EventsServiceOptions extends Recording {
  readonly rules: Pick<Rules, 'list' | 'get' | 'put' | 'delete' | 'offer' | 'faultOf'>;
  readonly clock: Pick<Clock, 'wallMs'>;
  /** Whether something can be delivered to what an ARN names. */
  readonly canDeliver: (arn: string) => boolean;
}

const bus = 'default';
const limitMax = 100;
const changes = { PutRule: 'Name', DeleteRule: 'Name', EnableRule: 'Name', DisableRule: 'Name', PutTargets: 'Rule', RemoveTargets: 'Rule' };

export function eventsService(options: EventsServiceOptions): AwsService {
  const operations = { ...ruleOperations(options), ...targetOperations(options), ...eventOperations(options), ...busOperations() };
  return { name: 'events', operations: recorded(options, operations, changes) };
}

function ruleOperations({ rules, clock }: EventsServiceOptions): Record<string, AwsOperation> {
  const set = async (input: AwsInput, isEnabled: boolean): Promise<AwsOutput> => {
    onDefault(input);
    const rule = rules.get(String(input.Name));
    const aside = whySetAside(rules, rule.name);
    if (isEnabled && aside !== null) throw new AwsError('InvalidEventPatternException', aside);
    await rules.put({ ...rule, isEnabled });
    return {};
  };
  return {
    PutRule: async (input, call) => {
      onDefault(input);
      const name = String(input.Name);
      if (input.ScheduleExpression !== undefined)
        throw new AwsError(
          'ValidationException',
          'Rules on a schedule are not served here: give an EventPattern, or a scheduled action of Application Auto Scaling.',
        );
      if (typeof input.EventPattern !== 'string')
        throw new AwsError('ValidationException', 'Parameter(s) EventPattern or ScheduleExpression must be specified.');
      checkedPattern(input.EventPattern);
      const known = rules.list().find((rule) => rule.name === name);
      const rule: Rule = {
        name,
        description: typeof input.Description === 'string' ? input.Description : '',
        pattern: input.EventPattern,
        isEnabled: input.State !== 'DISABLED',
        targets: known?.targets ?? [],
        createdBy: known?.createdBy ?? call.caller.keyId,
        createdAtMs: known?.createdAtMs ?? clock.wallMs(),
      };
      await rules.put(rule);
      return { RuleArn: ruleArn(call, name) };
    },
    DescribeRule: (input, call) => {
      onDefault(input);
      const rule = rules.get(String(input.Name));
      return { ...summary(rule, call), CreatedBy: call.account };
    },
    ListRules: (input, call) => {
      onDefault(input);
      const prefix = typeof input.NamePrefix === 'string' ? input.NamePrefix : '';
      const { items, next } = page(
        rules.list().filter(({ name }) => name.startsWith(prefix)),
        input,
      );
      return { Rules: items.map((rule) => summary(rule, call)), ...next };
    },
    DeleteRule: async (input) => {
      onDefault(input);
      const rule = rules.list().find(({ name }) => name === input.Name);
      if (rule !== undefined && rule.targets.length > 0)
        throw new AwsError('ValidationException', "Rule can't be deleted since it has targets.");
      await rules.delete(String(input.Name));
      return {};
    },
    EnableRule: async (input) => set(input, true),
    DisableRule: async (input) => set(input, false),
  };
}

function targetOperations({ rules, canDeliver }: EventsServiceOptions): Record<string, AwsOperation> {
  return {
    PutTargets: async (input) => {
      onDefault(input);
      const rule = rules.get(String(input.Rule));
      const failed: AwsOutput[] = [];
      const aside = whySetAside(rules, rule.name);
      const targets = new Map(rule.targets.map((target) => [target.id, target]));
      for (const each of input.Targets as readonly AwsInput[]) {
        // What is told of one by one is what clients look at: an answer as if all were well would be a promise that nothing keeps.
        if (aside !== null) {
          failed.push({ TargetId: each.Id, ErrorCode: 'InvalidEventPatternException', ErrorMessage: aside });
          continue;
        }
        const given = withKnownValues(each, targets.get(String(each.Id)));
        const target = targetOf(given);
        const why = complaint(given, target, canDeliver);
        if (why === null) targets.set(target.id, target);
        else failed.push({ TargetId: target.id, ErrorCode: 'ValidationException', ErrorMessage: why });
      }
      await rules.put({ ...rule, targets: [...targets.values()] });
      return { FailedEntryCount: failed.length, FailedEntries: failed };
    },
    RemoveTargets: async (input) => {
      onDefault(input);
      const rule = rules.get(String(input.Rule));
      const ids = new Set(input.Ids as readonly string[]);
      await rules.put({ ...rule, targets: rule.targets.filter(({ id }) => !ids.has(id)) });
      return { FailedEntryCount: 0, FailedEntries: [] };
    },
    ListTargetsByRule: (input, { caller }) => {
      onDefault(input);
      const { items, next } = page(rules.get(String(input.Rule)).targets, input);
      const isWhole = hasPermission(caller.role, 'deploy');
      const targets = isWhole ? items : items.map((target) => ({ ...target, arn: addressShown(target.arn) }));
      return { Targets: targets.map(targetShown), ...next };
    },
  };
}

function eventOperations({ rules, clock }: EventsServiceOptions): Record<string, AwsOperation> {
  return {
    PutEvents: async (input, call) => {
      const entries: AwsOutput[] = [];
      for (const entry of input.Entries as readonly AwsInput[]) entries.push(await putEvent(entry, call));
      return { FailedEntryCount: entries.filter(({ ErrorCode }) => ErrorCode !== undefined).length, Entries: entries };
    },
    TestEventPattern: (input) => {
      const matches = checkedPattern(String(input.EventPattern));
      let event: unknown;
      try {
        event = JSON.parse(String(input.Event));
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
    },
  };

  async function putEvent(entry: AwsInput, { account, region }: AwsCall): Promise<AwsOutput> {
    const refused = (code: string, message: string): AwsOutput => ({ ErrorCode: code, ErrorMessage: message });
    for (const member of ['Source', 'DetailType', 'Detail']) {
      if (typeof entry[member] !== 'string' || entry[member] === '')
        return refused('InvalidArgument', `Parameter ${member} is not valid. Reason: ${member} is a required argument.`);
    }
    if (String(entry.Source).startsWith('aws.')) return refused('NotAuthorizedForSourceException', 'Not authorized for the source.');
    if (entry.EventBusName !== undefined && !isDefault(entry.EventBusName))
      return refused('InvalidArgument', `Event bus ${JSON.stringify(entry.EventBusName)} does not exist.`);
    let detail: unknown;
    try {
      detail = JSON.parse(String(entry.Detail));
    } catch {
      return refused('MalformedDetail', 'Detail is malformed.');
    }
    const atMs = typeof entry.Time === 'number' ? entry.Time : clock.wallMs();
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
  const shown = ({ region, account }: AwsPlace): AwsOutput => ({ Name: bus, Arn: `arn:aws:events:${region}:${account}:event-bus/${bus}` });
  return {
    DescribeEventBus: (input, call) => {
      if (input.Name !== undefined && !isDefault(input.Name)) throw noBus(input.Name);
      return shown(call);
    },
    ListEventBuses: (input, call) => ({
      EventBuses: bus.startsWith(typeof input.NamePrefix === 'string' ? input.NamePrefix : '') ? [shown(call)] : [],
    }),
  };
}

function onDefault({ EventBusName }: AwsInput): void {
  if (EventBusName !== undefined && !isDefault(EventBusName)) throw noBus(EventBusName);
}

function isDefault(name: unknown): boolean {
  return name === bus || (typeof name === 'string' && name.endsWith(`:event-bus/${bus}`));
}

function noBus(name: unknown): AwsError {
  return new AwsError('ResourceNotFoundException', `Event bus ${String(name)} does not exist.`);
}

function whySetAside(rules: EventsServiceOptions['rules'], name: string): string | null {
  const fault = rules.faultOf(name);
  if (fault === null) return null;
  return `Rule ${name} is set aside and would match nothing, since its pattern is refused by now: ${fault}. Put it again with another.`;
}

function checkedPattern(text: string): ReturnType<typeof compilePattern> {
  try {
    return compilePattern(text);
  } catch (cause) {
    throw new AwsError('InvalidEventPatternException', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

export function ruleArn({ region, account }: AwsPlace, name: string): string {
  return `arn:aws:events:${region}:${account}:rule/${name}`;
}

function summary({ name, description, pattern, isEnabled }: Rule, place: AwsPlace): AwsOutput {
  return {
    Name: name,
    Arn: ruleArn(place, name),
    EventPattern: pattern,
    State: isEnabled ? 'ENABLED' : 'DISABLED',
    ...(description === '' ? {} : { Description: description }),
    EventBusName: bus,
  };
}

function page<Item>(all: readonly Item[], { NextToken, Limit }: AwsInput): { items: readonly Item[]; next: { NextToken?: string } } {
  const from = NextToken === undefined ? 0 : Number(NextToken);
  if (!Number.isInteger(from) || from < 0)
    throw new AwsError('ValidationException', 'Parameter NextToken is not valid: pass on the one of the page before.');
  const limit = Math.min(typeof Limit === 'number' ? Limit : limitMax, limitMax);
  const until = from + limit;
  return { items: all.slice(from, until), next: until < all.length ? { NextToken: String(until) } : {} };
}
