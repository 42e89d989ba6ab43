/** Routes of event rules and their pending deliveries. Transformed targets and credentials of webhooks need the EventBridge API. */
import { z } from 'zod';
import { type Caller, hasPermission } from '../../access/index.ts';
import { type PendingDelivery, type Rule, type RuleTarget, redactAddress } from '../../alerts/index.ts';
import { PlatformError } from '../../errors.ts';
import { pageBody } from '../bodies.ts';
import { isoTime, pageByOffset, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

/** What these routes need of the server. */
type Services = Pick<ApiServices, 'audit' | 'canDeliver' | 'clock' | 'db' | 'deliveries' | 'rules' | 'webhooks'>;

const time = z.iso.datetime();
const targetBody = z.strictObject({
  id: z.string(),
  arn: z.string().describe('A URL, or the ARN of a log group. Without the permission `deploy`, URLs are truncated.'),
});

export const ruleBody = z.strictObject({
  name: z.string(),
  description: z.string(),
  pattern: z.string().describe('EventBridge event pattern, as JSON; empty for a rule with only a schedule.'),
  schedule: z.string().nullable().describe('When the rule runs, in UTC: `rate(5 minutes)` or `cron(0 8 ? * MON-FRI *)`.'),
  state: z.enum(['enabled', 'disabled', 'set-aside']),
  fault: z.string().nullable().describe('Why the rule is set aside and matches nothing: its pattern is no longer valid.'),
  targets: z.array(targetBody),
  deliveries: z
    .strictObject({ waiting: z.number(), failing: z.number(), given_up: z.number() })
    .describe('Undelivered events: not attempted yet, waiting for a retry, or given up in the last 14 days.'),
  created_by: z.string(),
  created_at: time,
});
export const deliveryBody = z.strictObject({
  id: z.string(),
  rule: z.string().describe('Name of the rule; `alarm NAME` for an alarm action, `async ENDPOINT` for a notification topic.'),
  target: targetBody,
  event_id: z.string(),
  state: z.enum(['waiting', 'failing', 'given_up']),
  attempts: z.number(),
  reason: z.string().nullable().describe('Error of the last attempt.'),
  created_at: time,
  next_at: time.nullable().describe('Time of the next attempt.'),
  given_up_at: time.nullable(),
});
export type RuleBody = z.infer<typeof ruleBody>;
export type DeliveryBody = z.infer<typeof deliveryBody>;

const ruleInput = z.strictObject({
  pattern: z.string().max(4096).optional().describe('EventBridge event pattern, as JSON. Required for a new rule.'),
  targets: z
    .array(z.string().min(1).max(2048))
    .max(5)
    .optional()
    .describe('URLs, or ARNs of log groups. The list replaces the stored one; targets that stay keep their settings. Default: none.'),
  description: z.string().max(512).optional(),
  enabled: z.boolean().optional().describe('Default: true.'),
});
const rulePath = z.strictObject({
  rule: z.string().regex(/^[.\-_A-Za-z0-9]{1,64}$/, 'expected a name of 1 to 64 letters, digits, dots, hyphens and underscores'),
});

export function ruleRoutes(services: Services): ApiRoute[] {
  const { rules, deliveries } = services;
  return [
    apiRoute('GET /rules', {
      summary: 'List the rules by name, with their undelivered events',
      query: pageQuery,
      answer: pageBody(ruleBody),
      handle: async ({ query, caller }) => {
        const byRule = await deliveries.byRule();
        const all = rules.list();
        return pageByOffset(
          query,
          ({ limit, offset }) => all.slice(offset, offset + limit),
          (rule) => ruleBodyOf(rule, { fault: rules.faultOf(rule.name), pending: byRule.get(rule.name) ?? none, caller }),
        );
      },
    }),
    apiRoute('GET /rules/deliveries', {
      summary: 'List undelivered events, newest first',
      description:
        'Deliveries of rules, of alarm actions, and of notification topics of asynchronous endpoints. Given-up deliveries are retained for 14 days.',
      query: pageQuery.extend({ rule: z.string().max(300).optional().describe('Only deliveries of this rule, also if it was deleted.') }),
      answer: pageBody(deliveryBody),
      handle: ({ query: { rule, ...query }, caller }) =>
        pageByOffset(
          query,
          (page) => deliveries.list({ ...page, rule }),
          (delivery) => ({ ...deliveryBodyOf(delivery), target: targetOf(delivery.target, caller) }),
        ),
    }),
    ...ruleChanges(services),
  ];
}

function ruleChanges({
  rules,
  deliveries,
  webhooks,
  canDeliver,
  clock,
  audit,
  db,
}: Pick<ApiServices, 'rules' | 'deliveries' | 'webhooks' | 'canDeliver' | 'clock' | 'audit' | 'db'>): ApiRoute[] {
  return [
    apiRoute('PUT /rules/:rule', {
      summary: 'Create or change a rule',
      description: 'Omitted members keep their value.',
      params: rulePath,
      body: ruleInput,
      answer: ruleBody,
      handle: async ({ params: { rule: name }, body, caller }) => {
        const known = rules.list().find((rule) => rule.name === name);
        const pattern = body.pattern ?? known?.pattern;
        if (pattern === undefined) {
          throw new PlatformError(
            'invalid_request',
            `there is no rule '${name}' yet: a new one needs a pattern, such as {"source": ["aws.sagemaker"]}`,
          );
        }
        const added = (body.targets ?? []).filter((arn) => !known?.targets.some((target) => target.arn === arn));
        for (const arn of added) checkTarget(arn, canDeliver, webhooks);
        const rule: Rule = {
          name,
          createdBy: caller.keyId,
          createdAtMs: clock.wallMs(),
          ...known,
          pattern,
          description: body.description ?? known?.description ?? '',
          isEnabled: body.enabled ?? known?.isEnabled ?? true,
          targets: body.targets === undefined ? (known?.targets ?? []) : targetsOf(body.targets, known?.targets ?? []),
        };
        await rules.put(rule);
        await audit.record(db, { who: caller.keyId, action: 'PutRule', target: name, outcome: 'ok', detail: { pattern } });
        const pending = (await deliveries.byRule()).get(name) ?? none;
        return ruleBodyOf(rule, { fault: rules.faultOf(name), pending, caller });
      },
    }),
    apiRoute('DELETE /rules/:rule', {
      summary: 'Delete a rule and its targets',
      description: 'Deliveries that wait for a retry are still attempted.',
      params: rulePath,
      handle: async ({ params: { rule: name }, caller }) => {
        if (!rules.list().some((rule) => rule.name === name)) throw new PlatformError('not_found', `there is no rule '${name}'`);
        await rules.delete(name);
        await audit.record(db, { who: caller.keyId, action: 'DeleteRule', target: name, outcome: 'ok', detail: null });
      },
    }),
  ];
}

/** Stored targets stay as they are, with their settings. New ones get the first free id. */
function targetsOf(arns: readonly string[], known: readonly RuleTarget[]): RuleTarget[] {
  const staying = known.filter(({ arn }) => arns.includes(arn));
  const ids = new Set(staying.map(({ id }) => id));
  const added = [...new Set(arns)].filter((arn) => !staying.some((target) => target.arn === arn));
  return [
    ...staying,
    ...added.map((arn): RuleTarget => {
      let number = 1;
      while (ids.has(`target-${number}`)) number++;
      ids.add(`target-${number}`);
      return { id: `target-${number}`, arn, input: null, inputPath: null };
    }),
  ];
}

function checkTarget(arn: string, canDeliver: ApiServices['canDeliver'], webhooks: ApiServices['webhooks']): void {
  if (canDeliver(arn)) return;
  if (!arn.startsWith('arn:')) return void webhooks.checkUrl(arn);
  throw new PlatformError('invalid_request', `cannot deliver to ${arn}: expected a URL, or the ARN of a log group of this account`);
}

const none = { waiting: 0, failing: 0, given_up: 0 };

interface RuleState {
  readonly fault: string | null;
  readonly pending: RuleBody['deliveries'];
  readonly caller: Caller;
}

function ruleBodyOf(
  { name, description, pattern, schedule, isEnabled, targets, createdBy, createdAtMs }: Rule,
  { fault, pending, caller }: RuleState,
): RuleBody {
  return {
    name,
    description,
    pattern,
    schedule: schedule?.expression ?? null,
    state: fault !== null ? 'set-aside' : isEnabled ? 'enabled' : 'disabled',
    fault,
    targets: targets.map((target) => targetOf(target, caller)),
    deliveries: pending,
    created_by: createdBy,
    created_at: isoTime(createdAtMs),
  };
}

function targetOf({ id, arn }: PendingDelivery['target'], { role }: Caller): DeliveryBody['target'] {
  return { id, arn: hasPermission(role, 'deploy') ? arn : redactAddress(arn) };
}

function deliveryBodyOf({
  id,
  rule,
  eventId,
  state,
  attempts,
  reason,
  createdAtMs,
  atMs,
}: Omit<PendingDelivery, 'target'>): Omit<DeliveryBody, 'target'> {
  return {
    id,
    rule,
    event_id: eventId,
    state,
    attempts,
    reason,
    created_at: isoTime(createdAtMs),
    next_at: state === 'given_up' ? null : isoTime(atMs),
    given_up_at: state === 'given_up' ? isoTime(atMs) : null,
  };
}
