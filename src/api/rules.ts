/** Routes of rules: which events somebody is told of, and what has not arrived. They are made by EventBridge's clients. */
import { z } from 'zod';
import { type Caller, hasPermission } from '../access/index.ts';
import { addressShown, type KeptDelivery } from '../monitoring/index.ts';
import { pageOf } from './bodies.ts';
import { pageByOffset, pageQuery, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const time = z.iso.datetime();
const targetBody = z.strictObject({
  id: z.string(),
  arn: z.string().describe('A URL, or the ARN of a log group. Who may not deploy sees of a URL only how it begins.'),
});

export const ruleBody = z.strictObject({
  name: z.string(),
  description: z.string(),
  pattern: z.string().describe("JSON: EventBridge's pattern."),
  state: z.enum(['enabled', 'disabled', 'set-aside']),
  fault: z.string().nullable().describe('Why it is set aside and matches nothing: its pattern is refused by now.'),
  targets: z.array(targetBody),
  deliveries: z
    .strictObject({ waiting: z.number(), failing: z.number(), given_up: z.number() })
    .describe('That have not arrived: not tried yet, failed and to be tried again, given up in the last 14 days.'),
  created_by: z.string(),
  created_at: time,
});
export const deliveryBody = z.strictObject({
  id: z.string(),
  rule: z.string().describe('`alarm NAME` where it is the action of an alarm, `async ENDPOINT` where a topic.'),
  target: targetBody,
  event_id: z.string(),
  state: z.enum(['waiting', 'failing', 'given_up']),
  attempts: z.number(),
  reason: z.string().nullable().describe('With what the last try failed.'),
  created_at: time,
  next_at: time.nullable().describe('When it is tried next.'),
  given_up_at: time.nullable(),
});
export type RuleBody = z.infer<typeof ruleBody>;
export type DeliveryBody = z.infer<typeof deliveryBody>;

export function ruleRoutes({ rules, deliveries }: ApiServices): Route[] {
  return [
    route('GET /rules', {
      summary: 'List the rules, by name, with what of their deliveries has not arrived',
      query: pageQuery,
      answer: pageOf(ruleBody),
      handle: async ({ query, caller }) => {
        const byRule = await deliveries.byRule();
        const none = { waiting: 0, failing: 0, given_up: 0 };
        const all = rules.list();
        return pageByOffset(
          query,
          ({ limit, offset }) => all.slice(offset, offset + limit),
          ({ name, description, pattern, isEnabled, targets, createdBy, createdAtMs }): RuleBody => ({
            name,
            description,
            pattern,
            state: rules.faultOf(name) !== null ? 'set-aside' : isEnabled ? 'enabled' : 'disabled',
            fault: rules.faultOf(name),
            targets: targets.map((target) => targetOf(target, caller)),
            deliveries: byRule.get(name) ?? none,
            created_by: createdBy,
            created_at: timeOf(createdAtMs),
          }),
        );
      },
    }),
    route('GET /rules/deliveries', {
      summary: 'List what has not arrived, the latest first',
      description:
        'Of rules, of the actions of alarms, and of the topics of asynchronous endpoints. What was given up is kept for 14 days.',
      query: pageQuery.extend({ rule: z.string().max(300).optional().describe('Only of this one; also of one that was deleted.') }),
      answer: pageOf(deliveryBody),
      handle: ({ query: { rule, ...query }, caller }) =>
        pageByOffset(
          query,
          (page) => deliveries.list({ ...page, rule }),
          (delivery) => ({ ...deliveryBodyOf(delivery), target: targetOf(delivery.target, caller) }),
        ),
    }),
  ];
}

function targetOf({ id, arn }: KeptDelivery['target'], { role }: Caller): DeliveryBody['target'] {
  return { id, arn: hasPermission(role, 'deploy') ? arn : addressShown(arn) };
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
}: Omit<KeptDelivery, 'target'>): Omit<DeliveryBody, 'target'> {
  return {
    id,
    rule,
    event_id: eventId,
    state,
    attempts,
    reason,
    created_at: timeOf(createdAtMs),
    next_at: state === 'given_up' ? null : timeOf(atMs),
    given_up_at: state === 'given_up' ? timeOf(atMs) : null,
  };
}
