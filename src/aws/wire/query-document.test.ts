import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AwsError } from '../service.ts';
import { checkInput } from '../shapes/check-input.ts';
import { type Shape, shapesOf } from '../shapes/shapes.ts';
import { encodeQueryResponse, QueryForm } from './query-document.ts';
import { element, escapeXml, writeXml } from './xml.ts';

const cloudwatch = shapesOf('cloudwatch');

function inputOf(operation: string): Shape {
  const input = cloudwatch.operation(operation)?.input;
  assert(input);
  return input;
}

function decode(operation: string, fields: Readonly<Record<string, string>>): unknown {
  const form = new QueryForm(new URLSearchParams({ Action: operation, Version: '2010-08-01', ...fields }).toString());
  assert.equal(form.action, operation);
  return checkInput(inputOf(operation), form.document(inputOf(operation)));
}

describe('decodes a form by its shape:', () => {
  test('lists of structures, numbers, booleans, times', () => {
    const decoded = decode('GetMetricData', {
      'MetricDataQueries.member.1.Id': 'a',
      'MetricDataQueries.member.1.MetricStat.Metric.Namespace': 'AWS/SageMaker',
      'MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Name': 'EndpointName',
      'MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Value': 'e',
      'MetricDataQueries.member.1.MetricStat.Period': '60',
      'MetricDataQueries.member.1.MetricStat.Stat': 'Sum',
      'MetricDataQueries.member.1.ReturnData': 'false',
      StartTime: '2026-01-02T03:04:05Z',
      EndTime: '2026-01-02T03:04:06.5Z',
      ScanBy: 'TimestampAscending',
    });
    const Metric = { Namespace: 'AWS/SageMaker', Dimensions: [{ Name: 'EndpointName', Value: 'e' }] };
    assert.deepEqual(decoded, {
      MetricDataQueries: [{ Id: 'a', MetricStat: { Metric, Period: 60, Stat: 'Sum' }, ReturnData: false }],
      StartTime: 1_767_323_045_000,
      EndTime: 1_767_323_046_500,
      ScanBy: 'TimestampAscending',
    });
  });

  test('sorts by number, decodes an empty list, retains unknown parameters', () => {
    const decoded = decode('DescribeAlarms', {
      'AlarmNames.member.10': 'c',
      'AlarmNames.member.2': 'b',
      'AlarmNames.member.1': 'a',
      AlarmTypes: '',
      Newer: '1',
    });
    assert.deepEqual(decoded, { AlarmNames: ['a', 'b', 'c'], AlarmTypes: [], Newer: '1' });
  });

  for (const [what, operation, fields, code] of [
    ['an invalid number', 'DescribeAlarms', { MaxRecords: '5x' }, 'MalformedInput'],
    ['an invalid boolean', 'PutMetricAlarm', { ActionsEnabled: 'yes' }, 'MalformedInput'],
    ['an invalid time', 'GetMetricData', { StartTime: 'now' }, 'SerializationException'],
  ] as const) {
    test(`rejects ${what}`, () => assert.throws(() => decode(operation, fields), { name: 'AwsError', code }));
  }

  test('rejects invalid encoding and oversized forms', () => {
    for (const form of ['Action=%', 'a=%ff%fe', `${'a=1&'.repeat(20_001)}`, `${'a.'.repeat(100)}=1`]) {
      assert.throws(() => new QueryForm(form), { name: 'AwsError', code: 'MalformedQueryString' });
    }
  });

  test('decodes or rejects any form without failing', () => {
    const name = fc.array(
      fc.constantFrom('AlarmNames', 'member', '1', '2', 'Metrics', 'key', 'entry', '__proto__', 'constructor', 'Id', ''),
      { maxLength: 6 },
    );
    const field = fc.tuple(
      name.map((steps) => steps.join('.')),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.constantFrom(...cloudwatch.operationNames()), fc.array(field, { maxLength: 10 }), (operation, fields) => {
        const shape = cloudwatch.operation(operation)?.input ?? null;
        try {
          const document = new QueryForm(new URLSearchParams(fields).toString()).document(shape);
          assert.equal(Object.getPrototypeOf(document), Object.prototype);
        } catch (error) {
          assert(error instanceof AwsError, String(error));
        }
      }),
    );
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });
});

test('encodes maps as entries and omits members unknown to the shape', () => {
  const shapes = cloudwatch.operation('DescribeAlarms');
  assert(shapes);
  const xml = encodeQueryResponse(
    'DescribeAlarms',
    shapes,
    { MetricAlarms: [], Unknown: 1, NextToken: undefined },
    { xmlNamespace: undefined, requestId: 'r' },
  );
  assert.equal(
    xml,
    '<?xml version="1.0" encoding="UTF-8"?>\n<DescribeAlarmsResponse><DescribeAlarmsResult><MetricAlarms/></DescribeAlarmsResult>' +
      '<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeAlarmsResponse>',
  );
});

test('escapes all markup in XML texts', () => {
  assert.equal(escapeXml('<a>&"\r\n\u0000\ud800'), '&lt;a&gt;&amp;&quot;&#13;&#10;\ufffd\ufffd');
  assert.equal(
    writeXml(element('A', [null, element('B', 1), element('C', []), new Date(0)], 'n"s')),
    '<A xmlns="n&quot;s"><B>1</B><C/>1970-01-01T00:00:00.000Z</A>',
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const xml = escapeXml(text);
      assert.doesNotMatch(xml, /[<>"\u0000-\u0008\ufffe\uffff]/);
      assert.doesNotMatch(xml, /&(?!(?:amp|lt|gt|quot|#13|#10);)/);
    }),
  );
});
