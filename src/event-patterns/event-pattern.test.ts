import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { withinCpuMs } from '../../test/cpu-time.ts';
import { compilePattern } from './event-pattern.ts';

const event = {
  source: 'aws.sagemaker',
  'detail-type': 'SageMaker Endpoint State Change',
  resources: ['arn:aws:sagemaker:us-east-1:000000000000:endpoint/digits', 'other'],
  detail: {
    EndpointStatus: 'IN_SERVICE',
    EndpointName: 'Digits-2',
    count: 5,
    empty: '',
    nothing: null,
    tags: [],
    address: '10.0.0.33',
    six: 'fd00::12',
    text: 'a*b\\c',
  },
  variants: [
    { name: 'a', weight: 1, stale: true },
    { name: 'b', weight: 2, parts: [[{ size: 3 }], { size: 4 }] },
  ],
};

const matches = (pattern: object): boolean => compilePattern(JSON.stringify(pattern))(event);

describe('a pattern', () => {
  for (const [pattern, wanted] of [
    [{ source: ['aws.sagemaker'] }, true],
    [{ source: ['aws.ec2', 'aws.sagemaker'] }, true],
    [{ source: ['aws.sagemaker'], detail: { EndpointStatus: ['FAILED'] } }, false],
    [{ resources: [{ suffix: '/digits' }] }, true],
    [{ detail: { EndpointName: [{ prefix: 'Dig' }] } }, true],
    [{ detail: { EndpointName: [{ prefix: '' }] } }, true],
    [{ detail: { absent: [{ prefix: '' }] } }, false],
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
    [{ detail: { absent: [{ 'anything-but': { prefix: 'x' } }] } }, false],
    [{ detail: [{ 'anything-but': 'x' }] }, false],
    [{ detail: [{ exists: true }] }, false],
    [{ detail: { tags: [{ exists: false }] } }, true],
    [{ detail: { EndpointStatus: [{ 'anything-but': { suffix: ['ED', 'CE'] } }] } }, false],
    [{ detail: { EndpointStatus: [{ 'anything-but': { 'equals-ignore-case': ['in_service'] } }] } }, false],
    [{ detail: { EndpointStatus: [{ 'anything-but': { wildcard: 'OUT*' } }] } }, true],
    [{ detail: { count: [{ 'anything-but': { wildcard: '*' } }] } }, true],
    [{ detail: { EndpointName: [{ suffix: { 'equals-ignore-case': 'S-2' } }] } }, true],
    [{ detail: { address: [{ cidr: '10.0.0.0/24' }] } }, true],
    [{ detail: { address: [{ cidr: '10.0.1.0/24' }] } }, false],
    [{ detail: { address: [{ cidr: '0.0.0.0/0' }] } }, true],
    [{ detail: { six: [{ cidr: 'fd00::/8' }] } }, true],
    [{ detail: { six: [{ cidr: '0.0.0.0/0' }] } }, false],
    [{ source: [{ cidr: '10.0.0.0/24' }] }, false],
    [{ detail: { text: [{ wildcard: 'a\\*b*' }] } }, true],
    [{ detail: { text: [{ wildcard: '*\\\\c' }] } }, true],
    [{ detail: { EndpointName: [{ wildcard: 'D\\*' }] } }, false],
    [{ variants: { name: ['b'] } }, true],
    [{ variants: { name: ['c'] } }, false],
    [{ variants: { name: ['b'], weight: [2] } }, true],
    [{ variants: { name: ['a'], weight: [2] } }, false],
    [{ variants: { parts: { size: [{ numeric: ['>', 3] }] } } }, true],
    [{ variants: { name: ['a'], parts: { size: [4] } } }, false],
    [{ variants: { $or: [{ name: ['c'] }, { weight: [2] }] } }, true],
    [{ variants: { stale: [{ exists: true }] } }, true],
    [{ variants: { stale: [{ exists: false }] } }, false],
    [{ variants: { name: ['b'], other: [{ exists: false }] } }, true],
    [{ absent: { name: [{ exists: false }] } }, true],
    // One list element must match all conditions, even if they are in different places of the pattern.
    [{ variants: { name: ['a'] }, $or: [{ variants: { weight: [2] } }, { source: ['x'] }] }, false],
    [{ variants: { name: ['b'] }, $or: [{ variants: { weight: [2] } }, { source: ['x'] }] }, true],
    [{ variants: { name: ['a'] }, $or: [{ variants: { weight: [2] } }, { source: ['aws.sagemaker'] }] }, true],
    [{ $or: [{ variants: { name: ['a'] } }, { absent: [1] }], variants: { $or: [{ weight: [2] }, { weight: [3] }] } }, false],
    [{ variants: { name: ['b'], $or: [{ parts: { size: [9] } }, { parts: { size: [4] } }] } }, true],
    [{ resources: ['other'], $or: [{ resources: [{ suffix: '/digits' }] }, { source: ['x'] }] }, true],
    [{ $or: [{ source: ['x'] }, { detail: { count: [5] } }] }, true],
    [{ detail: { $or: [{ count: [6] }, { EndpointStatus: ['FAILED'] }] } }, false],
    // Outside `$or`, a field can have the name of an operator.
    [{ prefix: [{ exists: false }], $or: [{ source: ['x'] }, { detail: { count: [5] } }] }, true],
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
    '{"a": [{"wildcard": "a\\\\b"}]}',
    '{"a": [{"wildcard": {"equals-ignore-case": "a"}}]}',
    '{"a": [{"equals-ignore-case": {"equals-ignore-case": "a"}}]}',
    '{"a": [{"prefix": {"suffix": "a"}}]}',
    '{"a": [{"prefix": {"equals-ignore-case": {"equals-ignore-case": "a"}}}]}',
    '{"a": [{"anything-but": {"numeric": ["=", 1]}}]}',
    '{"a": [{"anything-but": [{"prefix": "x"}]}]}',
    '{"a": [{"anything-but": []}]}',
    '{"a": [{"cidr": "10.0.0.0"}]}',
    '{"a": [{"cidr": "10.0.0.0/33"}]}',
    '{"a": [{"cidr": "host/8"}]}',
    '{"a": [{"exists": 1}]}',
    '{"a": [{"prefix": "x", "suffix": "y"}]}',
  ]) {
    test(`rejects ${text} with the reason`, () => assert.throws(() => compilePattern(text), /Event pattern is not valid. Reason: ./));
  }

  for (const [text, why] of [
    ['{"detail": {}}', 'detail: it has no fields'],
    ['{"source": ["x"], "detail": {"a": {}}}', 'detail.a: it has no fields'],
    ['{"$or": [{"a": [1]}, {}]}', '$or: one of its objects has no fields'],
    ['{"detail": {"$or": [{}, {"a": [1]}]}}', 'detail.$or: one of its objects has no fields'],
    ['{"$or": [{"a": {}}, {"b": [1]}]}', 'a: it has no fields'],
    [
      '{"$or": [{"prefix": ["x"]}, {"a": [1]}]}',
      'prefix: within $or a field cannot have this name, because EventBridge reserves it for operators',
    ],
    ['{"a": {"$or": [{"b": {"numeric": [1]}}, {"c": [1]}]}}', 'a.b.numeric: within $or a field cannot have this name'],
    ['{"$or": [{"$or": [{"a": [1]}, {"exists": [true]}]}, {"b": [1]}]}', 'exists: within $or a field cannot have this name'],
    ['{"$or": [{"<=": [1]}, {"regex": ["x"]}]}', '<=: within $or a field cannot have this name'],
  ] as const) {
    test(`rejects ${text} as EventBridge does`, () =>
      assert.throws(
        () => compilePattern(text),
        ({ message }: Error) => message.startsWith(`Event pattern is not valid. Reason: ${why}`),
      ));
  }

  test('accepts as many combinations of alternatives as EventBridge, and no more', () => {
    const either = (count: number) => ({ $or: Array.from({ length: count }, (_, i) => ({ a: [i] })) });
    const of = (count: number) => JSON.stringify({ ...either(10), b: { ...either(10), c: either(count) } });
    assert.equal(compilePattern(of(10))({ a: 9, b: { a: 0, c: { a: 5 } } }), true);
    assert.throws(() => compilePattern(of(11)), /b: it has more than 1000 combinations of \$or/);
  });

  test('with asterisks is fast on any text', () => {
    const pattern = compilePattern(JSON.stringify({ a: [{ wildcard: `${'*a'.repeat(200)}*b` }] }));
    assert.equal(pattern({ a: 'a'.repeat(5000) }), false);
  });

  test('on nested lists takes time linear in the event', () => {
    const pattern = compilePattern('{"a": {"b": {"c": [{"exists": false}, 1]}}}');
    const a = Array.from({ length: 2000 }, () => ({ b: Array.from({ length: 20 }, () => ({ c: 2 })) }));
    assert.equal(pattern({ a }), false);
  });

  test('never throws on an event', () => {
    const pattern = compilePattern('{"a": {"b": [{"prefix": "x"}, 1]}, "$or": [{"c": [{"exists": false}]}, {"d": [2]}]}');
    fc.assert(fc.property(fc.jsonValue(), (value) => void pattern(value)));
  });
});

test('a wildcard matches what the regular expression of the same form matches', () => {
  const part = fc.constantFrom('a', 'b', 'aab', 'aaaaab', 'abababa', '*', '\\*');
  const text = fc.array(fc.constantFrom('a', 'b', 'aab', 'ab', '*'), { maxLength: 20 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), text, (parts, value) => {
      const wildcard = parts
        .join('')
        .replaceAll(/(?<!\\)\*{2,}/g, '*')
        .replaceAll(/(\\\*)\*+/g, '$1*');
      const expected = new RegExp(`^${wildcard.replaceAll(/(?<!\\)\*/g, '.*')}$`);
      assert.equal(compilePattern(JSON.stringify({ a: [{ wildcard }] }))({ a: value }), expected.test(value), wildcard);
    }),
    { numRuns: 500 },
  );
});

test('a wildcard takes linear time', () => {
  const matches = compilePattern(JSON.stringify({ a: [{ wildcard: `*${'a'.repeat(3900)}b*c` }] }));
  assert.equal(
    withinCpuMs(200, () => matches({ a: 'a'.repeat(250_000) })),
    false,
  );
});

test('hundreds of blocks or texts of one field are one test of each of the many values of an event', () => {
  const blocks = compilePattern(JSON.stringify({ a: Array.from({ length: 100 }, (_, i) => ({ cidr: `10.${i}.0.0/16` })) }));
  const texts = compilePattern(JSON.stringify({ a: Array.from({ length: 120 }, (_, i) => ({ 'equals-ignore-case': `P${i}` })) }));
  const addresses = Array.from({ length: 15_000 }, () => '11.1.1.1');
  assert.equal(
    withinCpuMs(300, () => blocks({ a: addresses }) || texts({ a: addresses })),
    false,
  );
  assert(blocks({ a: [...addresses, '10.99.1.1'] }));
  assert(texts({ a: [...addresses, 'p119'] }));
});
