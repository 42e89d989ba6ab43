import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compilePattern } from './event-pattern.ts';

const event = {
  source: 'aws.sagemaker',
  'detail-type': 'SageMaker Endpoint State Change',
  resources: ['arn:aws:sagemaker:us-east-1:000000000000:endpoint/digits', 'other'],
  detail: { EndpointStatus: 'IN_SERVICE', EndpointName: 'Digits-2', count: 5, empty: '', nothing: null, tags: [] },
};

const matches = (pattern: object): boolean => compilePattern(JSON.stringify(pattern))(event);

describe('a pattern', () => {
  for (const [pattern, wanted] of [
    [{ source: ['aws.sagemaker'] }, true],
    [{ source: ['aws.ec2', 'aws.sagemaker'] }, true],
    [{ source: ['aws.sagemaker'], detail: { EndpointStatus: ['FAILED'] } }, false],
    [{ resources: [{ suffix: '/digits' }] }, true],
    [{ detail: { EndpointName: [{ prefix: 'Dig' }] } }, true],
    [{ detail: { EndpointName: [{ prefix: { 'equals-ignore-case': 'dIG' } }] } }, true],
    [{ detail: { EndpointName: [{ prefix: 'dig' }] } }, false],
    [{ detail: { EndpointName: [{ 'equals-ignore-case': 'digits-2' }] } }, true],
    [{ detail: { EndpointName: [{ wildcard: 'D*s-*' }] } }, true],
    [{ detail: { EndpointName: [{ wildcard: '*x' }] } }, false],
    [{ detail: { count: [{ numeric: ['>', 0, '<=', 5] }] } }, true],
    [{ detail: { count: [{ numeric: ['<', 5] }] } }, false],
    [{ detail: { count: ['5'] } }, false],
    [{ detail: { nothing: [null] } }, true],
    [{ detail: { nothing: [{ exists: true }] } }, true],
    [{ detail: { absent: [{ exists: false }] } }, true],
    [{ detail: { empty: [''] } }, true],
    [{ detail: { EndpointStatus: [{ 'anything-but': ['FAILED', 'DELETING'] }] } }, true],
    [{ detail: { EndpointStatus: [{ 'anything-but': { prefix: 'IN_' } }] } }, false],
    [{ detail: { absent: [{ 'anything-but': ['x'] }] } }, false],
    [{ $or: [{ source: ['x'] }, { detail: { count: [5] } }] }, true],
    [{ detail: { $or: [{ count: [6] }, { EndpointStatus: ['FAILED'] }] } }, false],
  ] as const) {
    test(`${JSON.stringify(pattern)} ${wanted ? 'matches' : 'does not match'}`, () => assert.equal(matches(pattern), wanted));
  }

  for (const text of [
    '',
    '[]',
    '{}',
    '{"source": "x"}',
    '{"source": []}',
    '{"source": [{"like": "x"}]}',
    '{"a": [{"numeric": ["<"]}]}',
    '{"$or": [{}]}',
    '{"a": [{"wildcard": "a**b"}]}',
    '{"a": [{"constructor": 1}]}',
  ]) {
    test(`${text} is refused with the reason`, () => assert.throws(() => compilePattern(text), /Event pattern is not valid. Reason: ./));
  }

  test('of asterisks is quick on whatever text', () => {
    const pattern = compilePattern(JSON.stringify({ a: [{ wildcard: `${'*a'.repeat(200)}*b` }] }));
    assert.equal(pattern({ a: 'a'.repeat(5000) }), false);
  });

  test('never throws on an event', () => {
    const pattern = compilePattern('{"a": {"b": [{"prefix": "x"}, 1]}, "$or": [{"c": [{"exists": false}]}, {"d": [2]}]}');
    fc.assert(fc.property(fc.jsonValue(), (value) => void pattern(value)));
  });
});
