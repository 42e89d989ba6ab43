import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTransformer, transform } from './input-transformer.ts';

const envelope = {
  version: '0',
  id: 'e1',
  'detail-type': 'Order',
  source: 'shop',
  account: '0',
  time: '2026-11-24T00:00:00Z',
  region: 'us-east-1',
  resources: [],
  detail: { who: 'Ann "the\nbuyer"', total: 700, lines: [{ sku: 'a' }] },
} as const;
const about = { ruleName: 'large', ruleArn: 'arn:aws:events:us-east-1:0:rule/large', ingestedAt: '2026-11-24T00:00:01Z' };
const paths = { who: '$.detail.who', total: '$.detail.total', lines: '$.detail.lines', nobody: '$.detail.nobody' };
const { detail: _detail, ...withoutDetail } = envelope;

for (const { what, template, sent } of [
  {
    what: 'values keep their kinds',
    template: '{"a": <who>, "b": <total>, "c": <lines>}',
    sent: { a: envelope.detail.who, b: 700, c: [{ sku: 'a' }] },
  },
  { what: 'in a string they are text', template: '{"a": "<who> pays <total>"}', sent: { a: 'Ann "the\nbuyer" pays 700' } },
  { what: 'in a string an object has no quotes', template: '{"a": "of <lines>"}', sent: { a: 'of [{sku:a}]' } },
  { what: 'a quote in a string does not end it', template: '{"a": "\\"<total>\\"", "b": <total>}', sent: { a: '"700"', b: 700 } },
  { what: 'a template may be one string', template: '"<aws.events.rule-name> triggered"', sent: 'large triggered' },
  { what: 'a template may be plain text', template: 'order of <total> by <aws.events.rule-name>', sent: 'order of 700 by large' },
  { what: 'a template may be one variable', template: '<lines>', sent: [{ sku: 'a' }] },
  { what: 'what the event has not is null, or no text', template: '{"a": <nobody>, "b": "<nobody>!"}', sent: { a: null, b: '!' } },
  { what: 'the whole event', template: '{"event": <aws.events.event.json>}', sent: { event: envelope } },
  { what: 'the event without its detail', template: '{"event": <aws.events.event>}', sent: { event: withoutDetail } },
  {
    what: 'the rule and the time',
    template: '[<aws.events.rule-arn>, <aws.events.event.ingestion-time>]',
    sent: [about.ruleArn, about.ingestedAt],
  },
]) {
  test(`a template is filled: ${what}`, () => {
    checkTransformer({ paths, template });
    assert.deepEqual(JSON.parse(transform({ paths, template }, envelope, about)), sent);
  });
}

for (const { template, given = paths, why } of [
  { template: '{"a": <nothing>}', why: /invalid placeholder <nothing>/ },
  { template: '{"a": ', why: /not valid JSON/ },
  { template: '{<who>: 1}', why: /not valid JSON/ },
  { template: '<a>', given: { a: 'detail' }, why: /no path at 'a'/ },
  { template: '<a>', given: { 'aws.a': '$' }, why: /not beginning with AWS/ },
]) {
  test(`a template that could never be filled is refused: ${template}`, () => {
    assert.throws(() => checkTransformer({ paths: given, template }), why);
  });
}
