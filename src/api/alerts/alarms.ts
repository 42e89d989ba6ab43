/** Routes of alarms. */
import { z } from 'zod';
import { type Caller, hasPermission } from '../../access/index.ts';
import {
  type Alarm,
  type AlarmDefinition,
  type AlarmQuery,
  alarmRuleText,
  isAlarmOf,
  isDefaultAlarm,
  parseAlarmRule,
  redactAddress,
} from '../../alerts/index.ts';
import { PlatformError } from '../../errors.ts';
import { type MetricKey, penstockNamespace, variantMetricKey } from '../../metrics/index.ts';
import { pageBody } from '../bodies.ts';
import { isoTime, limitParameter } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

/** What these routes need of the server. */
type Services = Pick<ApiServices, 'alarms' | 'audit' | 'db' | 'deployments' | 'webhooks'>;

const time = z.iso.datetime();
const missingData = z.enum(['missing', 'ignore', 'breaching', 'notBreaching']);
const address = z.string().min(1).max(1024);
const actionsBody = z.strictObject({ alarm: z.array(address), ok: z.array(address), insufficient_data: z.array(address) });

export const alarmViewBody = z.strictObject({
  name: z.string(),
  description: z.string(),
  state: z.enum(['OK', 'ALARM', 'INSUFFICIENT_DATA']),
  rule: z
    .string()
    .nullable()
    .describe(
      'Condition of the alarm, for example `p99 of Latency > 50 in 3 of 5 x 60 s`; null for the default alarms of endpoints, which are explained in `description`.',
    ),
  metric: z
    .strictObject({ namespace: z.string(), dimensions: z.record(z.string(), z.string()) })
    .nullable()
    .describe('Where the metric is measured; null for default alarms, and for alarms on an expression over several metrics.'),
  missing_data: missingData.describe('How periods without data count.'),
  actions: actionsBody.describe('Called on entering a state. Without the permission `deploy`, URLs are truncated.'),
  actions_enabled: z.boolean(),
  managed: z.boolean().describe('A default alarm, which belongs to its endpoint or the server and cannot be changed.'),
  reason: z.string().describe('Result of the last evaluation.'),
  since: time,
});
export const alarmNoteBody = z.strictObject({ at: time, kind: z.string(), summary: z.string(), data: z.unknown() });
export type AlarmBody = z.infer<typeof alarmViewBody>;
export type AlarmNoteBody = z.infer<typeof alarmNoteBody>;

const alarmInput = z.strictObject({
  rule: z.string().max(500).optional().describe('Such as `p99 of Latency > 50 in 3 of 5 x 60s`. Required for a new alarm.'),
  endpoint: z.string().max(63).optional().describe('Whose metric it is. A new alarm needs this or `dimensions`.'),
  variant: z.string().max(63).optional().describe('The variant of the endpoint. Default: AllTraffic.'),
  namespace: z.string().max(255).optional().describe(`Default: ${penstockNamespace}.`),
  dimensions: z.record(z.string().max(255), z.string().max(1024)).optional().describe('Instead of `endpoint` and `variant`.'),
  missing_data: missingData.optional().describe('Default: missing.'),
  description: z.string().max(1024).optional(),
  actions: actionsBody
    .extend({ alarm: z.array(address).max(5), ok: z.array(address).max(5), insufficient_data: z.array(address).max(5) })
    .partial()
    .optional()
    .describe('URLs that are called on entering a state, at most 5 each. A list replaces the stored one.'),
  actions_enabled: z.boolean().optional(),
});
type AlarmInput = z.output<typeof alarmInput>;

const alarmPath = z.strictObject({
  alarm: z.string().regex(/^[ -~]{1,255}$/, 'expected a name of 1 to 255 printable ASCII characters'),
});

export function alarmRoutes(services: Services): ApiRoute[] {
  const { alarms, deployments } = services;
  return [
    apiRoute('GET /alarms', {
      summary: 'List the alarms, firing ones first',
      query: z.strictObject({
        state: z.enum(['OK', 'ALARM', 'INSUFFICIENT_DATA']).optional(),
        endpoint: z.string().max(100).optional().describe('Only its default alarms and alarms on its metrics.'),
      }),
      answer: pageBody(alarmViewBody),
      handle: ({ query: { state, endpoint }, caller }) => {
        const about = alarms.list().filter((alarm) => endpoint === undefined || isAlarmOf(alarm, endpoint));
        if (endpoint !== undefined && about.length === 0) deployments.get(endpoint);
        const all = about.filter((alarm) => state === undefined || alarm.state === state);
        return {
          items: all
            .toSorted((a, b) => Number(b.state === 'ALARM') - Number(a.state === 'ALARM'))
            .map((alarm) => alarmBodyOf(alarm, alarms.lastReason(alarm.name), caller)),
          next: null,
        };
      },
    }),
    apiRoute('GET /alarms/history', {
      summary: 'List state changes of alarms, newest first',
      query: z.strictObject({ name: z.string().max(255).optional(), limit: limitParameter }),
      answer: pageBody(alarmNoteBody.extend({ alarm: z.string() })),
      handle: async ({ query: { name, limit = 100 } }) => {
        const notes = await alarms.history({ name, limit });
        return {
          items: notes.map(({ alarm, atMs, kind, summary, data }) => ({ alarm, at: isoTime(atMs), kind, summary, data })),
          next: null,
        };
      },
    }),
    ...alarmChanges(services),
  ];
}

function alarmChanges({
  alarms,
  deployments,
  webhooks,
  audit,
  db,
}: Pick<ApiServices, 'alarms' | 'deployments' | 'webhooks' | 'audit' | 'db'>): ApiRoute[] {
  return [
    apiRoute('PUT /alarms/:alarm', {
      summary: 'Create or change an alarm on one metric',
      description:
        'Omitted members keep their value. Alarms on expressions over several metrics are created with CloudWatch clients; here, their description and actions can be changed.',
      params: alarmPath,
      body: alarmInput,
      answer: alarmViewBody,
      handle: async ({ params: { alarm: name }, body, caller }) => {
        refuseManaged(name);
        const known = alarms.get(name);
        const endpoint = body.endpoint === undefined ? undefined : deployments.get(body.endpoint).config.name;
        const definition = changedAlarm(name, { ...body, endpoint }, known);
        for (const action of Object.values(body.actions ?? {}).flatMap((list) => list ?? [])) {
          if (!Object.values(known?.actions ?? {}).some((stored) => stored.includes(action))) webhooks.checkUrl(action);
        }
        await alarms.put(definition);
        await audit.record(db, {
          who: caller.keyId,
          action: 'PutMetricAlarm',
          target: name,
          outcome: 'ok',
          detail: { rule: body.rule ?? null },
        });
        return alarmBodyOf(alarms.get(name) as Alarm, alarms.lastReason(name), caller);
      },
    }),
    apiRoute('DELETE /alarms/:alarm', {
      summary: 'Delete an alarm',
      params: alarmPath,
      handle: async ({ params: { alarm: name }, caller }) => {
        refuseManaged(name);
        if (alarms.get(name) === null) throw new PlatformError('not_found', `there is no alarm '${name}'`);
        await alarms.delete([name]);
        await audit.record(db, { who: caller.keyId, action: 'DeleteAlarms', target: name, outcome: 'ok', detail: null });
      },
    }),
  ];
}

/** The definition after a change; `known` is the alarm before it, if it exists. Throws `invalid_request`. */
export function changedAlarm(name: string, body: AlarmInput & { endpoint?: string | undefined }, known: Alarm | null): AlarmDefinition {
  const { description = known?.description ?? '', actions = {}, missing_data: missing = known?.rule.missingData ?? 'missing' } = body;
  const { OK = [], ALARM = [], INSUFFICIENT_DATA = [] } = known?.actions ?? {};
  const watched = watchedBy(body, known);
  return {
    name,
    description,
    ...watched,
    rule: { ...watched.rule, missingData: missing },
    actionsEnabled: body.actions_enabled ?? known?.actionsEnabled ?? true,
    actions: { OK: actions.ok ?? OK, ALARM: actions.alarm ?? ALARM, INSUFFICIENT_DATA: actions.insufficient_data ?? INSUFFICIENT_DATA },
  };
}

function watchedBy(body: AlarmInput, known: Alarm | null): Pick<AlarmDefinition, 'queries' | 'rule' | 'periodS' | 'echo'> {
  const { rule: text, endpoint, variant, namespace, dimensions } = body;
  const isMoved = [endpoint, variant, namespace, dimensions].some((value) => value !== undefined);
  const [query] = known?.queries ?? [];
  if (known !== null && text === undefined && !isMoved) {
    const { queries, rule, periodS, echo } = known;
    return { queries, rule, periodS, echo };
  }
  if (known !== null && (query?.metric ?? null) === null) {
    throw new PlatformError(
      'invalid_request',
      `${known.name} watches an expression over metrics: change its rule with a CloudWatch client`,
    );
  }
  const before = query?.metric ?? null;
  const provided = text ?? (known === null ? null : alarmRuleText(known));
  if (provided === null)
    throw new PlatformError(
      'invalid_request',
      `there is no such alarm yet: a new one needs a rule, such as 'p99 of Latency > 50 in 3 of 5 x 60s'`,
    );
  const { metric, statistic, periodS, rule } = parseAlarmRule(provided);
  const metricKey = isMoved || before === null ? metricKeyOf(body, before?.metricKey) : before.metricKey;
  const queries: AlarmQuery[] = [{ id: 'm1', metric: { metricKey, name: metric, statistic }, expression: null, isWatched: true }];
  return { queries, periodS, rule: { ...rule, missingData: 'missing' } };
}

function metricKeyOf({ endpoint, variant, namespace, dimensions }: AlarmInput, before: MetricKey | undefined): MetricKey {
  if (endpoint !== undefined && dimensions !== undefined) {
    throw new PlatformError('invalid_request', 'endpoint and dimensions cannot be combined: leave one of them out');
  }
  const space = namespace ?? before?.namespace ?? penstockNamespace;
  if (dimensions !== undefined) return { namespace: space, dimensions };
  const of = endpoint ?? before?.dimensions['EndpointName'];
  if (of !== undefined) return variantMetricKey(space, of, variant ?? before?.dimensions['VariantName'] ?? 'AllTraffic');
  if (before !== undefined) return { ...before, namespace: space };
  throw new PlatformError('invalid_request', 'a new alarm needs the endpoint or the dimensions of its metric');
}

function refuseManaged(name: string): void {
  if (!isDefaultAlarm(name)) return;
  throw new PlatformError(
    'invalid_request',
    `${name} belongs to its endpoint or the server and cannot be changed: create your own alarm under another name`,
  );
}

function alarmBodyOf(alarm: Alarm, found: string | null, { role }: Caller): AlarmBody {
  const { name, description, state, stateReason, stateSinceMs, actionsEnabled, actions, queries } = alarm;
  const seen = (addresses: readonly string[]): string[] => (hasPermission(role, 'deploy') ? [...addresses] : addresses.map(redactAddress));
  const [query, ...others] = queries;
  const key = others.length === 0 ? (query?.metric?.metricKey ?? null) : null;
  return {
    name,
    description,
    state,
    rule: alarmRuleText(alarm),
    metric: key === null ? null : { namespace: key.namespace, dimensions: { ...key.dimensions } },
    missing_data: alarm.rule.missingData,
    actions: { alarm: seen(actions.ALARM), ok: seen(actions.OK), insufficient_data: seen(actions.INSUFFICIENT_DATA) },
    actions_enabled: actionsEnabled,
    managed: isDefaultAlarm(name),
    reason: found ?? stateReason,
    since: isoTime(stateSinceMs),
  };
}
