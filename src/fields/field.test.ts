import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  bodyOfFields,
  captureFields,
  changesOf,
  checkFields,
  defaultsOf,
  endpointFields,
  type Fields,
  functionsFields,
  merged,
  scalingFields,
  snakeCase,
  variantFields,
} from './index.ts';

const tables: Readonly<Record<string, Fields>> = { captureFields, endpointFields, functionsFields, scalingFields, variantFields };

/** Any value of a field; only bounds and kinds matter here, not sense. */
function valueOf({ kind, isWhole, isOptional, least = 0, most = 1000 }: Fields[string]): fc.Arbitrary<unknown> {
  if (typeof kind === 'object') return fc.constantFrom(...kind.choices);
  switch (kind) {
    case 'boolean':
      return fc.boolean();
    case 'names':
    case 'schedules':
      return fc.array(fc.string());
    case 'text':
      return fc.string();
    case 'usd':
      return fc.oneof(fc.constant(isOptional ? 1 : null), fc.double({ min: 0.01, max: 100, noNaN: true }));
    case 'memory':
      return fc.oneof(fc.constant('auto'), fc.integer({ min: 128, max: 4096 }));
    default:
      return isWhole ? fc.integer({ min: least, max: most }) : fc.double({ min: least, max: most, noNaN: true });
  }
}

/** Values of some fields of a table. */
const someOf = (fields: Fields) =>
  fc.record(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, valueOf(field)])), { requiredKeys: [] });

for (const [name, fields] of Object.entries(tables)) {
  describe(name, () => {
    test('come back from a body as they went into it', () => {
      fc.assert(
        fc.property(someOf(fields), (values) => {
          const body = bodyOfFields(fields, values as never) as Record<string, unknown>;
          assert.deepEqual({ ...changesOf(fields, body as never) }, { ...values });
          assert(Object.keys(body).every((member) => /^[a-z]+(?:_[a-z]+)*$/.test(member)));
        }),
      );
    });

    test('stay unless a change names them', () => {
      fc.assert(
        fc.property(someOf(fields), someOf(fields), (before, change) => {
          assert.deepEqual({ ...(merged(fields, before as never, change as never) as object) }, { ...before, ...change });
        }),
      );
    });

    test('are valid within their bounds, by default, too', () => {
      fc.assert(fc.property(someOf(fields), (values) => checkFields('', fields, values)));
      checkFields('', fields, defaultsOf(fields));
    });
  });
}

test('null removes an optional setting, and no other', () => {
  const before = { ...defaultsOf(variantFields), instanceCount: 2, startTimeoutMs: 5000 };
  assert(!('startTimeoutMs' in merged(variantFields, before, { startTimeoutMs: null })));
  assert.equal(merged(scalingFields, undefined, { usdPerHourMax: null }).usdPerHourMax, null);
});

test('members of other kinds stay as they are', () => {
  const before = { ...defaultsOf(variantFields), instanceCount: 1, name: 'main' };
  assert.deepEqual(merged(variantFields, before, { weight: 2 }), { ...before, weight: 2 });
});

test('a setting that is not set is null in a body, or left out of it', () => {
  const values = { ...defaultsOf(variantFields), instanceCount: 1 };
  assert.equal(bodyOfFields(variantFields, values, null).start_timeout_ms, null);
  assert(!('start_timeout_ms' in bodyOfFields(variantFields, values)));
  assert.equal(bodyOfFields(scalingFields, { ...defaultsOf(scalingFields), instancesMin: 1 }).usd_per_hour_max, null);
});

test('units stay whole words of a name', () => {
  assert.deepEqual([snakeCase('memoryMiB'), snakeCase('usdPerHourMax')], ['memory_mib', 'usd_per_hour_max']);
});

for (const [fields, values, message] of [
  [variantFields, { weight: -1 }, 'main: expected a weight of 0 or more, got -1'],
  [variantFields, { startTimeoutMs: 5 }, 'main: the time to start: expected 1000 to 3600000 whole milliseconds, got 5'],
  [variantFields, { startTimeoutMs: 2000.5 }, 'main: the time to start: expected 1000 to 3600000 whole milliseconds, got 2000.5'],
  [functionsFields, { keepAliveMs: 7_200_000 }, 'main: the keep-alive of idle environments: expected at most one hour, got 120m'],
  [functionsFields, { batching: 'some' }, "main: batching: expected one of slack, batch, batch-paper, fixed, none, got 'some'"],
  [scalingFields, { usdPerHourMax: 0 }, 'main: the scaling budget: expected US dollars per hour above 0, or none, got 0'],
  [endpointFields, { late: 'drop' }, "main: late: expected 'serve' or 'shed', got 'drop'"],
] as const) {
  test(`rejects ${JSON.stringify(values)}, and says what was expected`, () => {
    assert.throws(() => checkFields('main: ', fields, values), { code: 'invalid_request', message });
  });
}
