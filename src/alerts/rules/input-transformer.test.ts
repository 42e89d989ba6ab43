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
const paths = { who: '$.detail.who', total: '$.detail.total', lines: '$.detail.lines', missing: '$.detail.missing' };
const { detail: _detail, ...withoutDetail } = envelope;

for (const { what, template, sent } of [
  {
    what: 'values retain their types',
    template: '{"a": <who>, "b": <total>, "c": <lines>}',
    sent: { a: envelope.detail.who, b: 700, c: [{ sku: 'a' }] },
  },
  { what: 'values within a string are text', template: '{"a": "<who> pays <total>"}', sent: { a: 'Ann "the\nbuyer" pays 700' } },
  { what: 'an object within a string has no quotes', template: '{"a": "of <lines>"}', sent: { a: 'of [{sku:a}]' } },
  { what: 'an escaped quote does not end a string', template: '{"a": "\\"<total>\\"", "b": <total>}', sent: { a: '"700"', b: 700 } },
  { what: 'a template can be one string', template: '"<aws.events.rule-name> triggered"', sent: 'large triggered' },
  { what: 'a template can be plain text', template: 'order of <total> by <aws.events.rule-name>', sent: 'order of 700 by large' },
  { what: 'a template can be one variable', template: '<lines>', sent: [{ sku: 'a' }] },
  { what: 'a missing value is null, or empty within a string', template: '{"a": <missing>, "b": "<missing>!"}', sent: { a: null, b: '!' } },
  { what: 'the whole event', template: '{"event": <aws.events.event.json>}', sent: { event: envelope } },
  { what: 'the event without its detail', template: '{"event": <aws.events.event>}', sent: { event: withoutDetail } },
  {
    what: 'the rule and the time',
    template: '[<aws.events.rule-arn>, <aws.events.event.ingestion-time>]',
    sent: [about.ruleArn, about.ingestedAt],
  },
]) {
  test(`fills a template: ${what}`, () => {
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
  test(`rejects a template that can never be filled: ${template}`, () => {
    assert.throws(() => checkTransformer({ paths: given, template }), why);
  });
}
