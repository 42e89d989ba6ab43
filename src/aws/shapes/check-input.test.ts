import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PlatformError } from '../../errors.ts';
import { AwsError, type AwsServiceName } from '../service.ts';
import { checkInput } from './check-input.ts';
import { type Shape, shapesOf } from './shapes.ts';

function inputOf(operation: string, service: Exclude<AwsServiceName, 's3'> = 'sagemaker'): Shape {
  const input = shapesOf(service).operation(operation)?.input;
  assert(input);
  return input;
}

const namePattern = '[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}';
const failed = 'failed to satisfy constraint: Member must';
const variant = { VariantName: 'v', ModelName: 'm', InitialInstanceCount: 1, InstanceType: 'ml.m5.large' };

/** An endpoint config whose only variant has these members. */
const config = (more: object): Record<string, unknown> => ({ EndpointConfigName: 'c', ProductionVariants: [{ ...variant, ...more }] });

describe("reports violations in AWS's wording:", () => {
  for (const { when, operation, input, message } of [
    {
      when: 'a name with a space',
      operation: 'CreateEndpoint',
      input: { EndpointName: 'a b!', EndpointConfigName: 'c' },
      message: `1 validation error detected: Value 'a b!' at 'endpointName' ${failed} satisfy regular expression pattern: ${namePattern}`,
    },
    {
      when: 'a pattern matches the whole text',
      operation: 'DescribeModel',
      input: { ModelName: 'a\n' },
      message: `1 validation error detected: Value 'a\n' at 'modelName' ${failed} satisfy regular expression pattern: [a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?`,
    },
    {
      when: 'a missing member and an overlong one',
      operation: 'CreateEndpoint',
      input: { EndpointName: 'a'.repeat(64) },
      message:
        `2 validation errors detected: Value '${'a'.repeat(64)}' at 'endpointName' ${failed} have length less than or equal to 63; ` +
        `Value null at 'endpointConfigName' ${failed} not be null`,
    },
    {
      when: 'a null, which counts as absent',
      operation: 'DescribeModel',
      input: { ModelName: null },
      message: `1 validation error detected: Value null at 'modelName' ${failed} not be null`,
    },
    {
      when: 'a path within a list',
      operation: 'CreateEndpointConfig',
      input: config({ VariantName: '-' }),
      message: `1 validation error detected: Value '-' at 'productionVariants.1.member.variantName' ${failed} satisfy regular expression pattern: ${namePattern}`,
    },
    {
      when: 'a number too large',
      operation: 'CreateEndpointConfig',
      input: config({ ServerlessConfig: { MemorySizeInMB: 1024, MaxConcurrency: 201 } }),
      message: `1 validation error detected: Value '201' at 'productionVariants.1.member.serverlessConfig.maxConcurrency' ${failed} have value less than or equal to 200`,
    },
    {
      when: 'a number too small',
      operation: 'ListEndpoints',
      input: { MaxResults: 0 },
      message: `1 validation error detected: Value '0' at 'maxResults' ${failed} have value greater than or equal to 1`,
    },
    {
      when: 'a value outside the enum',
      operation: 'ListEndpoints',
      input: { SortOrder: 'Up' },
      message: `1 validation error detected: Value 'Up' at 'sortOrder' ${failed} satisfy enum value set: [Ascending, Descending]`,
    },
    {
      when: 'an empty list that needs elements',
      operation: 'CreateEndpointConfig',
      input: { EndpointConfigName: 'c', ProductionVariants: [] },
      message: `1 validation error detected: Value '[]' at 'productionVariants' ${failed} have length greater than or equal to 1`,
    },
    {
      when: 'a null element of a list',
      operation: 'CreateEndpointConfig',
      input: { EndpointConfigName: 'c', ProductionVariants: [null] },
      message: `1 validation error detected: Value null at 'productionVariants.1.member' ${failed} not be null`,
    },
    {
      when: 'a key of a map',
      operation: 'CreateModel',
      input: { ModelName: 'm', PrimaryContainer: { Environment: { 'a b': 'c' } } },
      message:
        `1 validation error detected: Value '{"a b":"c"}' at 'primaryContainer.environment' failed to satisfy constraint: Map keys must satisfy ` +
        'constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, ' +
        'Member must satisfy regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]*]',
    },
    {
      when: 'an invalid tag value',
      operation: 'AddTags',
      input: { ResourceArn: 'arn:aws:sagemaker:us-east-1:000000000000:endpoint/e', Tags: [{ Key: 'objective', Value: 'p95<=50ms' }] },
      message: `1 validation error detected: Value 'p95<=50ms' at 'tags.1.member.value' ${failed} satisfy regular expression pattern: ([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)`,
    },
  ] as const) {
    test(when, () => {
      const document = structuredClone<object>(input) as Record<string, unknown>;
      assert.throws(() => checkInput(inputOf(operation), document), { code: 'invalid_request', message });
    });
  }

  test('many violations, up to the limit', () => {
    const Tags = Array.from({ length: 200 }, () => ({ Key: '', Value: '<' }));
    const input = { ResourceArn: 'arn:aws:sagemaker:us-east-1:000000000000:endpoint/e', Tags };
    assert.throws(() => checkInput(inputOf('AddTags'), input), /^PlatformError: 50 validation errors detected: /);
  });
});

describe('accepts valid input:', () => {
  test('unknown members, unchanged', () => {
    const input = { ...config({ Newer: { a: [1] } }), EnableDetailedObservability: true };
    assert.deepEqual(checkInput(inputOf('CreateEndpointConfig'), structuredClone(input)), input);
  });

  test('our own tags with characters that AWS would reject', () => {
    const input = { ...config({}), Tags: [{ Key: 'penstock:objective', Value: 'p95<=50ms' }] };
    assert.deepEqual(checkInput(inputOf('CreateEndpointConfig'), structuredClone(input)), input);
  });

  test('instance types unknown to AWS, including our own', () => {
    for (const InstanceType of ['ml.m99.huge', 'ml.m5.large', 'local.2'])
      checkInput(inputOf('CreateEndpointConfig'), config({ InstanceType }));
    assert.throws(() => checkInput(inputOf('CreateEndpointConfig'), config({ InstanceType: 'huge' })), { code: 'invalid_request' });
  });

  test('an asynchronous call with an inline body', () => {
    checkInput(inputOf('InvokeEndpointAsync', 'sagemaker-runtime'), { EndpointName: 'e' });
  });

  test('times in seconds, fractions and texts, as milliseconds', () => {
    for (const [input, ms] of [
      [1_767_323_045, 1_767_323_045_000],
      [1_767_323_045.678, 1_767_323_045_678],
      ['2026-01-02T03:04:05Z', 1_767_323_045_000],
      ['2026-01-02T05:04:05.678+02:00', 1_767_323_045_678],
      ['2026-01-02T03:04:05', 1_767_323_045_000],
      ['1767323045.678', 1_767_323_045_678],
    ]) {
      assert.deepEqual(checkInput(inputOf('ListEndpoints'), { CreationTimeAfter: input }), { CreationTimeAfter: ms });
    }
  });

  test('texts of the maximum length, counted in characters', () => {
    const ModelPackageGroupDescription = '💧'.repeat(1024);
    const shape = inputOf('CreateModelPackageGroup');
    checkInput(shape, { ModelPackageGroupName: 'g', ModelPackageGroupDescription });
    const longer = { ModelPackageGroupName: 'g', ModelPackageGroupDescription: `${ModelPackageGroupDescription}.` };
    assert.throws(() => checkInput(shape, longer), /length less than or equal to 1024/);
  });
});

describe('rejects a wrong type with a SerializationException:', () => {
  for (const [operation, input, message] of [
    ['DescribeModel', { ModelName: 5 }, "NUMBER_VALUE can not be converted to a String (at 'modelName')"],
    ['ListEndpoints', { MaxResults: '5' }, "STRING_VALUE can not be converted to an Integer (at 'maxResults')"],
    ['ListEndpoints', { MaxResults: 1.5 }, "1.5 can not be converted to an Integer (at 'maxResults')"],
    ['ListEndpoints', { CreationTimeAfter: 'yesterday' }, "STRING_VALUE can not be converted to a Timestamp (at 'creationTimeAfter')"],
    ['ListEndpoints', { CreationTimeAfter: 1e300 }, "NUMBER_VALUE can not be converted to a Timestamp (at 'creationTimeAfter')"],
    ['CreateModel', { Containers: {} }, "START_OBJECT can not be converted to a List (at 'containers')"],
    ['CreateModel', { PrimaryContainer: [] }, "START_ARRAY can not be converted to a Structure (at 'primaryContainer')"],
    ['CreateModel', { EnableNetworkIsolation: 'true' }, "STRING_VALUE can not be converted to a Boolean (at 'enableNetworkIsolation')"],
  ] as const) {
    test(message, () => {
      assert.throws(() => checkInput(inputOf(operation), structuredClone<object>(input) as Record<string, unknown>), {
        name: 'AwsError',
        code: 'SerializationException',
        message,
      });
    });
  }
});

const services = [
  'sagemaker',
  'sagemaker-runtime',
  'application-autoscaling',
  'cloudwatch',
  'logs',
  'cloudtrail',
  'events',
  'sts',
] as const;

/** All shapes reachable from the service's inputs. */
function reachable(service: (typeof services)[number]): Shape[] {
  const found = new Set<Shape>();
  const visit = (shape: Shape): void => {
    if (found.has(shape)) return;
    found.add(shape);
    if (shape.type === 'structure') for (const member of shape.members.values()) visit(member);
    if (shape.type === 'list' || shape.type === 'map') visit(shape.element);
    if (shape.type === 'map') visit(shape.key);
  };
  for (const name of shapesOf(service).operationNames()) {
    const input = shapesOf(service).operation(name)?.input;
    if (input) visit(input);
  }
  return [...found];
}

test('every pattern matches in bounded time', () => {
  let count = 0;
  for (const shape of services.flatMap(reachable)) {
    const { pattern } = shape;
    if (pattern === null) continue;
    count++;
    const lengthMax = Math.min(shape.max ?? 65_536, 65_536);
    for (const unit of ['a', '-', 'a-', 'arn:aws:', ' ', '/', 'a/', '0', ':', 'a.', '*', '\n']) {
      // Grows slowly, so a pattern with exponential cost fails the test instead of hanging it.
      for (let length = 16; length <= lengthMax; length = Math.ceil(length * 1.3)) {
        const before = process.threadCpuUsage();
        pattern.test(`${unit.repeat(length).slice(0, length - 1)}\u0007`);
        // Thread CPU time excludes other load on the machine.
        const tookMs = process.threadCpuUsage(before).user / 1000;
        assert(tookMs < 2500, `${shape.name}: ${tookMs} ms for ${length} of ${JSON.stringify(unit)}`);
      }
    }
  }
  assert(count > 100, `${count}`);
});

test('accepts or rejects any document without failing', () => {
  const json = fc.jsonValue({ maxDepth: 4 });
  const operations = services.flatMap((service) =>
    shapesOf(service)
      .operationNames()
      .map((name) => inputOrNull(service, name)),
  );
  const shapes = operations.filter((shape): shape is Shape => shape !== null);
  fc.assert(
    fc.property(fc.constantFrom(...shapes), fc.func(json), (shape, valueOf) => {
      const names = [...shape.members.keys(), 'Unknown', '__proto__'];
      const document = JSON.parse(JSON.stringify(Object.fromEntries(names.map((name) => [name, valueOf(name)])))) as Record<
        string,
        unknown
      >;
      try {
        checkInput(shape, document);
      } catch (error) {
        assert(error instanceof AwsError || error instanceof PlatformError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

function inputOrNull(service: (typeof services)[number], name: string): Shape | null {
  return shapesOf(service).operation(name)?.input ?? null;
}
