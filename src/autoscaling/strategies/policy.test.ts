import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PlatformError } from '../../errors.ts';
import { formatPolicy, type Policy, parsePolicies, parsePolicy } from './policy.ts';

const rls = { forecaster: 'rls-ar' } as const;
const windows = { forecaster: 'rls-windows' } as const;

describe('a policy', () => {
  for (const [text, expected] of [
    ['static', { kind: 'static', instances: null, overflow: false }],
    ['static:4', { kind: 'static', instances: 4, overflow: false }],
    ['target-tracking', { kind: 'target-tracking', targetPercent: 70, price: 1.2, overflow: false }],
    ['target-tracking:40,price=1', { kind: 'target-tracking', targetPercent: 40, price: 1, overflow: false }],
    ['hpa', { kind: 'hpa', targetPercent: 70, windowMs: 300_000, overflow: false }],
    ['hpa:105,window=120+overflow', { kind: 'hpa', targetPercent: 105, windowMs: 120_000, overflow: true }],
    ['hpa:70 , window = 2m', { kind: 'hpa', targetPercent: 70, windowMs: 120_000, overflow: false }],
    ['kpa', { kind: 'kpa', concurrency: null, overflow: false }],
    ['kpa,concurrency=100', { kind: 'kpa', concurrency: 100, overflow: false }],
    ['ray', { kind: 'ray', overflow: false }],
    ['batch', { kind: 'batch', overflow: true }],
    ['instances-only', { kind: 'instances-only', percentile: 99, overflow: false, ...rls }],
    ['instances-only:95', { kind: 'instances-only', percentile: 95, overflow: false, ...rls }],
    ['running-max', { kind: 'running-max', factor: 1.44, overflow: true }],
    ['hybrid:90,forecaster=holt-winters', { kind: 'hybrid', percentile: 90, overflow: true, forecaster: 'holt-winters' }],
    ['mark-greedy:1.2', { kind: 'mark-greedy', safety: 1.2, overflow: true, ...rls }],
    ['economic', { kind: 'economic', rho: null, hold: null, fast: 'auto', overflow: true, ...windows }],
    [
      'economic,rho=.9,hold=3,forecaster=persistence,fast=off',
      { kind: 'economic', rho: 0.9, hold: 3, fast: 'off', overflow: true, forecaster: 'persistence' },
    ],
    ['oracle+overflow', { kind: 'oracle', overflow: true }],
  ] as const) {
    test(`'${text}' is parsed and printed unchanged`, () => {
      const policy = parsePolicy(text);
      assert.deepEqual(policy, { ...expected, text });
      assert.equal(formatPolicy(policy), text);
    });
  }

  for (const [text, expected] of [
    ['', /unknown policy '': expected one of static, target-tracking, hpa, .* or oracle, such as economic/],
    ['hpaa', /unknown policy 'hpaa': expected one of/],
    ['constructor', /unknown policy 'constructor'/],
    ['hpa:', /after the colon: expected a number above 0 and at most 1000, got ''/],
    ['hpa:0', /expected a number above 0 and at most 1000, got '0'/],
    ['hpa:1e9', /expected a number above 0 and at most 1000/],
    ['static:1.5', /expected a whole number from 0 to 1000, got '1\.5'/],
    ['ray:3', /ray takes no number\. Leave out ':3'/],
    ['hpa,rho=1', /expected window=\.\.\., got 'rho=1'/],
    ['ray,a=1', /ray takes no options, got 'a=1'/],
    ['economic,rho', /expected rho=\.\.\., hold=\.\.\., forecaster=\.\.\. or fast=\.\.\., got 'rho'/],
    ['economic,rho=2', /rho: expected a number above 0 and at most 1\.5, got '2'/],
    ['economic,rho=1,rho=1', /rho is set twice/],
    ['economic,hold=0', /hold: expected a whole number from 1 to 100/],
    ['economic,forecaster=lstm', /forecaster: expected rls-ar, rls-windows, persistence, seasonal-naive or holt-winters, got 'lstm'/],
    ['hpa,window=soon', /duration 'soon' is not understood/],
    ['hpa,window=0', /window: expected a duration above 0/],
    ['hpa+spill', /expected \+overflow at the end, got \+spill/],
    ['instances-only+overflow', /instances-only has no overflow\. Use hybrid/],
    ['hybrid:100', /at most 99\.999, got '100'/],
  ] as const) {
    test(`'${text}' is rejected, and the error says what was expected`, () => {
      assert.throws(
        () => parsePolicy(text),
        (error) => error instanceof PlatformError && error.code === 'invalid_request' && expected.test(error.message),
      );
    });
  }
});

describe('several policies', () => {
  for (const [provided, texts] of [
    ['hpa,economic', ['hpa', 'economic']],
    ['hpa:70,window=300,economic,rho=1,hold=2,static', ['hpa:70,window=300', 'economic,rho=1,hold=2', 'static']],
    ['hpa:105,window=120+overflow;economic', ['hpa:105,window=120+overflow', 'economic']],
    [' hpa ; ; economic ', ['hpa', 'economic']],
    [
      ['hpa', 'economic;static'],
      ['hpa', 'economic', 'static'],
    ],
  ] as const) {
    test(`${JSON.stringify(provided)} is parsed as ${texts.length}`, () => {
      assert.deepEqual(parsePolicies(provided).map(formatPolicy), texts);
    });
  }

  test('an invalid policy is rejected, and the error explains the separators', () => {
    assert.throws(() => parsePolicies('economic,foo'), {
      message: /^'foo' is not a policy: .* separated by ; or by a comma, and an option/,
    });
    assert.throws(() => parsePolicies('foo'), /unknown policy 'foo'/);
  });

  test('an empty list is rejected', () => {
    assert.throws(() => parsePolicies(' ; '), /no policy: expected one of static/);
  });

  test('any text is either a list of policies that round-trips or an error', () => {
    const words = ['hpa', 'economic', 'static', ':', '70', ',', ';', '=', 'rho', 'window', '+overflow', ' ', '1'];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 12 }), (parts) => {
        let policies: Policy[];
        try {
          policies = parsePolicies(parts.join(''));
        } catch (error) {
          assert(error instanceof PlatformError, String(error));
          return;
        }
        assert.deepEqual(parsePolicies(policies.map(formatPolicy).join(';')), policies);
      }),
    );
  });
});
