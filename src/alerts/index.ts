export type { Alarm, AlarmChange, AlarmDefinition, AlarmHistoryKind, AlarmMetric, AlarmNote, AlarmQuery } from './alarms/alarm.ts';
export { noteAction } from './alarms/alarm-notes.ts';
export { judgeAlarm } from './alarms/alarm-values.ts';
export { Alarms, type AlarmsOptions } from './alarms/alarms.ts';
export { defaultAlarmNames, evaluateDefaultAlarms, isDefault as isDefaultAlarm, type WatchedEndpoint } from './alarms/default-alarms.ts';
export {
  type AlarmRule,
  type AlarmState,
  comparisonOperators,
  evaluate as evaluateAlarm,
} from './alarms/evaluate.ts';
export { alarmRuleText, isAlarmOf } from './alarms/format-alarm.ts';
export { parseAlarmRule } from './alarms/parse-rule.ts';
export { evaluateServerAlarms, loopBlocked } from './alarms/server-alarms.ts';
export { topicUrl, webhookPolicy } from './rules/configured-webhooks.ts';
export { addDelivery, announceDeliveries, Deliveries, type Delivery, deliveriesQueue, type PendingDelivery } from './rules/deliveries.ts';
export { type Envelope, missingMember } from './rules/envelope.ts';
export { compilePath } from './rules/event-path.ts';
export { checkHttpParameters } from './rules/http-parameters.ts';
export { checkTransformer } from './rules/input-transformer.ts';
export { redactAddress, redactAddresses } from './rules/redact-address.ts';
export type { Rule, RuleSchedule, RuleTarget } from './rules/rule.ts';
export { Rules } from './rules/rules.ts';
export { sendWebhook, signatureOf } from './rules/webhook.ts';
export { WebhookPolicy } from './rules/webhook-policy.ts';
export { webhookUrl } from './rules/webhook-url.ts';
