import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { shapesOf } from '../../shapes/shapes.ts';
import { areTrue } from './conditions.ts';
import { type ReferenceValues, resolveReferences } from './references.ts';
import { fitted, jobNameOfStep } from './step-kinds.ts';

const described = {
  ModelArtifacts: { S3ModelArtifacts: 's3://team/model.tar.gz' },
  ProcessingOutputConfig: { Outputs: [{ OutputName: 'a.b', S3Output: { S3Uri: 's3://team/out' } }] },
};
const values: ReferenceValues = {
  parameter: (name) => ({ C: 0.5, flag: true, name: 'digits' })[name],
  execution: () => 'abc123',
  step: async () => described,
  file: async () => ({ metrics: { accuracy: 0.93, all: [1, { 'x y': 2 }] } }),
  object: async () => ({ n: 7 }),
};
const resolved = (value: unknown) => resolveReferences(value, values, "step 'a'");
const file = { Get: 'Steps.Evaluate.PropertyFiles.Report' };

describe('references', () => {
  for (const [what, value, expected] of [
    ['of parameters keep their types', { a: { Get: 'Parameters.C' }, b: [{ Get: 'Parameters.flag' }] }, { a: 0.5, b: [true] }],
    ['of properties', { Get: 'Steps.Train.ModelArtifacts.S3ModelArtifacts' }, 's3://team/model.tar.gz'],
    ['of an output by its name', { Get: "Steps.P.ProcessingOutputConfig.Outputs['a.b'].S3Output.S3Uri" }, 's3://team/out'],
    ['of an output by its index', { Get: 'Steps.P.ProcessingOutputConfig.Outputs[0].OutputName' }, 'a.b'],
    [
      'join texts, numbers and truths',
      { 'Std:Join': { On: '/', Values: ['a', { Get: 'Parameters.C' }, true, { Get: 'Execution.PipelineName' }] } },
      'a/0.5/true/abc123',
    ],
    ['of a property file', { 'Std:JsonGet': { PropertyFile: file, Path: 'metrics.accuracy' } }, 0.93],
    ['of a property file, by a path with quotes', { 'Std:JsonGet': { PropertyFile: file, Path: "$.metrics.all[1]['x y']" } }, 2],
    ['of an object', { 'Std:JsonGet': { S3Uri: { 'Std:Join': { On: '', Values: ['s3://team/', 'x.json'] } }, Path: 'n' } }, 7],
    ['are left alone in what only looks like one', { Get: 'Parameters.C', Other: 1 }, { Get: 'Parameters.C', Other: 1 }],
  ] as const) {
    test(what, async () => assert.deepEqual(await resolved(value), expected));
  }

  test('that join to more than a megabyte are rejected', async () => {
    const long = { Get: 'Parameters.long' };
    const join = resolveReferences(
      { 'Std:Join': { On: '', Values: Array.from({ length: 2000 }, () => long) } },
      { ...values, parameter: () => 'x'.repeat(1024) },
      "step 'a'",
    );
    await assert.rejects(join, /references in step 'a' stand for more than 1048576 characters/);
  });

  describe('that stand for a megabyte together are rejected, however often they repeat it:', () => {
    const large = { rows: Array.from({ length: 1000 }, (_, row) => ({ row, text: 'x'.repeat(600) })) };
    const long: ReferenceValues = { ...values, parameter: () => 'x'.repeat(600_000), object: async () => large };
    const twice = { 'Std:Join': { On: '', Values: [{ Get: 'Parameters.long' }, 'y'] } };
    for (const [what, each] of [
      ['a parameter', { Get: 'Parameters.long' }],
      ['a joined text', twice],
      ['an object', { 'Std:JsonGet': { S3Uri: 's3://team/x.json', Path: '$' } }],
    ] as const) {
      test(what, async () => {
        const step = { Environment: Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`v${index}`, each])) };
        await assert.rejects(resolveReferences(step, long, "step 'a'"), /references in step 'a' stand for more than 1048576 characters/);
        await resolveReferences({ once: each }, { ...long, parameter: () => 'x'.repeat(500_000) }, "step 'a'");
      });
    }
  });

  test('that lead nowhere end the work at the first, and show the beginning of what there is', async () => {
    let reads = 0;
    const large = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`k${index}`, 'x'.repeat(1000)]));
    const counted: ReferenceValues = {
      ...values,
      object: async () => {
        reads++;
        return large;
      },
    };
    const missing = { 'Std:JsonGet': { S3Uri: 's3://team/x.json', Path: 'missing' } };
    const all = resolveReferences(
      Array.from({ length: 5000 }, () => missing),
      counted,
      "step 'a'",
    );
    await assert.rejects(
      all,
      (error: Error) => /there is no 'missing' in \{"k0":"x{190}/.test(error.message) && error.message.length < 400,
    );
    assert.equal(reads, 1);
  });

  test('find a name in a short list only', async () => {
    const named = Array.from({ length: 101 }, (_, index) => ({ Name: `n${index}`, value: index }));
    const of = (list: unknown) =>
      resolveReferences(
        { 'Std:JsonGet': { S3Uri: 's3://team/x.json', Path: 'n100.value' } },
        { ...values, object: async () => list },
        "step 'a'",
      );
    assert.equal(await of(named.slice(1)), 100);
    await assert.rejects(of(named), /there is no 'n100'/);
  });

  test('that lead nowhere name what there is', async () => {
    await assert.rejects(resolved({ Get: 'Steps.Train.ModelArtifacts.Missing' }), /there is no 'Missing' in \{"S3ModelArtifacts"/);
    await assert.rejects(resolved({ 'Std:JsonGet': { PropertyFile: file, Path: 'metrics.f1' } }), /JsonGet of step 'a': there is no 'f1'/);
    await assert.rejects(resolved({ Get: 'Steps.Train.__proto__' }), /there is no '__proto__'/);
  });
});

describe('conditions', () => {
  const of = (type: string, left: unknown, right: unknown) => areTrue([{ Type: type, LeftValue: left, RightValue: right }]);
  test('compare numbers, also as text, and texts for equality', () => {
    assert.deepEqual(
      [of('LessThan', 0.1, '0.2'), of('GreaterThanOrEqualTo', 2, 2), of('Equals', 'a', 'a'), of('Equals', '1', 1)],
      [true, true, true, true],
    );
    assert.deepEqual([of('GreaterThan', 1, 1), of('LessThanOrEqualTo', '3', 2), of('Equals', 'a', 'b')], [false, false, false]);
    assert.throws(() => of('LessThan', 'a', 1), /compares "a" and 1: expected two numbers/);
  });

  test('are combined', () => {
    const yes = { Type: 'Equals', LeftValue: 1, RightValue: 1 };
    const no = { Type: 'Not', Expression: yes };
    const inList = { Type: 'In', QueryValue: 'b', Values: ['a', 'b'] };
    assert.deepEqual([areTrue([yes, inList]), areTrue([yes, no]), areTrue([{ Type: 'Or', Conditions: [no, yes] }])], [true, false, true]);
  });
});

describe('the request of a step', () => {
  test('has the types of its operation, whatever those of the parameters', () => {
    const shape = shapesOf('sagemaker').operation('CreateTrainingJob')?.input;
    assert.ok(shape);
    const request = {
      HyperParameters: { C: 0.5, flag: true },
      ResourceConfig: { InstanceCount: '1', InstanceType: 'ml.m5.large' },
      EnableNetworkIsolation: 'false',
    };
    assert.deepEqual(fitted(shape, request), {
      HyperParameters: { C: '0.5', flag: 'true' },
      ResourceConfig: { InstanceCount: 1, InstanceType: 'ml.m5.large' },
      EnableNetworkIsolation: false,
    });
  });

  test('names its job by the execution and the step, within the limit of AWS', () => {
    assert.match(jobNameOfStep('0a1b2c3d4e5f', 'Train_my-model'), /^pipelines-0a1b2c3d4e5f-Train-my-model-[0-9a-f]{10}$/);
    assert.ok(jobNameOfStep('0a1b2c3d4e5f', 'x'.repeat(64)).length <= 63);
    assert.match(jobNameOfStep('0a1b2c3d4e5f', '__'), /^pipelines-0a1b2c3d4e5f-[0-9a-f]{10}$/);
  });
});
