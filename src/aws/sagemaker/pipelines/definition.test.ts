import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseDefinition, valueOf } from './definition.ts';

type Json = Record<string, unknown>;
const fail = (name: string, more: Json = {}): Json => ({ Name: name, Type: 'Fail', Arguments: { ErrorMessage: 'no' }, ...more });
const define = (steps: unknown, more: Json = {}): string =>
  JSON.stringify({ Version: '2020-12-01', Metadata: {}, Parameters: [], Steps: steps, ...more });
const train = { Name: 'Train', Type: 'Training', Arguments: { HyperParameters: { C: { Get: 'Parameters.C' } } } };
const parameterC = { Name: 'C', Type: 'Float', DefaultValue: 0.5 };
const evaluate = {
  Name: 'Evaluate',
  Type: 'Processing',
  Arguments: { ProcessingInputs: [{ S3Input: { S3Uri: { Get: 'Steps.Train.ModelArtifacts.S3ModelArtifacts' } } }] },
  PropertyFiles: [{ PropertyFileName: 'Report', OutputName: 'evaluation', FilePath: 'evaluation.json' }],
  CacheConfig: { Enabled: true, ExpireAfter: 'PT1H' },
};
const report = { Get: 'Steps.Evaluate.PropertyFiles.Report' };
const accuracy = { 'Std:JsonGet': { PropertyFile: report, Path: 'metrics.accuracy' } };
const condition = (left: unknown = accuracy): Json => ({
  Name: 'Good',
  Type: 'Condition',
  Arguments: {
    Conditions: [{ Type: 'GreaterThan', LeftValue: left, RightValue: 0.9 }],
    IfSteps: [fail('Then')],
    ElseSteps: [fail('Else')],
  },
});

describe('a definition', () => {
  test('has the steps of all branches, each after those that it refers to', () => {
    const { steps, parameters } = parseDefinition(define([train, evaluate, condition()], { Parameters: [parameterC] }));
    assert.deepEqual(
      steps.map(({ name, after, branch }) => [name, after, branch]),
      [
        ['Train', [], null],
        ['Evaluate', ['Train'], null],
        ['Good', ['Evaluate'], null],
        ['Then', [], { condition: 'Good', outcome: true }],
        ['Else', [], { condition: 'Good', outcome: false }],
      ],
    );
    assert.equal(steps[1]?.cacheMs, 3_600_000);
    assert.deepEqual(parameters, [{ name: 'C', type: 'Float', otherwise: 0.5, allowed: null }]);
  });

  for (const [what, text, message] of [
    ['is no JSON', '{', /PipelineDefinition is not JSON/],
    ['has another version', JSON.stringify({ Version: '2030-01-01', Steps: [] }), /Version "2030-01-01" is not supported/],
    ['has an unknown member', define([fail('a')], { Extra: 1 }), /Extra of PipelineDefinition is not supported/],
    ['has no steps', define([]), /Steps is empty/],
    [
      'has a step type that is not served',
      define([{ Name: 'a', Type: 'Lambda', Arguments: {} }]),
      /step 'a' has the type "Lambda", which is not supported/,
    ],
    [
      'has a step of another type in a branch',
      define([
        {
          ...condition('1'),
          Arguments: { Conditions: [{ Type: 'Equals', LeftValue: 1, RightValue: 1 }], IfSteps: [{ Name: 'b', Type: 'EMR' }] },
        },
      ]),
      /step 'b' has the type "EMR"/,
    ],
    ['has retry policies', define([fail('a', { RetryPolicies: [] })]), /RetryPolicies of step 'a' is not supported/],
    ['has two steps of one name', define([fail('a'), fail('a')]), /two steps are named 'a'/],
    ['depends on what is not there', define([fail('a', { DependsOn: ['b'] })]), /step 'a' refers to step 'b', which is not defined/],
    ['has a cycle', define([fail('a', { DependsOn: ['b'] }), fail('b', { DependsOn: ['a'] })]), /in a cycle: a -> b -> a/],
    ['has a step that waits for its own branch', define([condition({ Get: 'Steps.Then.X' })]), /in a cycle/],
    ['refers to an unknown parameter', define([train]), /refers to parameter 'C', which is not defined/],
    [
      'refers to an unknown property file',
      define([train, { ...evaluate, PropertyFiles: [] }, condition()], { Parameters: [parameterC] }),
      /property file 'Report' of step 'Evaluate', which has none/,
    ],
    [
      'has a function that is not served',
      define([fail('a', { Arguments: { ErrorMessage: { 'Std:Other': 1 } } })]),
      /Std:Other in step 'a' is not supported/,
    ],
    [
      'has a condition that is not served',
      define([{ ...condition(), Arguments: { Conditions: [{ Type: 'Matches' }] } }]),
      /condition "Matches" of step 'Good' is not supported/,
    ],
    [
      'refers to a fact that is not served',
      define([fail('a', { Arguments: { ErrorMessage: { Get: 'Execution.TrainingJobName' } } })]),
      /Execution.TrainingJobName in step 'a' is not supported/,
    ],
    [
      'has a cache without a duration',
      define([{ ...evaluate, CacheConfig: { Enabled: true, ExpireAfter: 'soon' } }]),
      /ExpireAfter of step 'Evaluate' is "soon"/,
    ],
    [
      'has a default of another type',
      define([fail('a')], { Parameters: [{ Name: 'n', Type: 'Integer', DefaultValue: 'x' }] }),
      /parameter 'n' is "x": expected a value of the type Integer/,
    ],
    [
      'has a default that is not allowed',
      define([fail('a')], { Parameters: [{ Name: 'n', Type: 'String', DefaultValue: 'x', EnumValues: ['y'] }] }),
      /parameter 'n' is "x": expected one of y/,
    ],
  ] as const) {
    test(`that ${what} is rejected`, () => {
      assert.throws(() => parseDefinition(text), { code: 'ValidationException', message });
    });
  }

  test('reads values of parameters that are sent as text', () => {
    const of = (type: 'Integer' | 'Float' | 'Boolean' | 'String', value: string) => valueOf({ name: 'p', type, allowed: null }, value);
    assert.deepEqual([of('Integer', '3'), of('Float', '1e-3'), of('Boolean', 'True'), of('String', '3')], [3, 0.001, true, '3']);
    assert.throws(() => of('Integer', '3.5'), /expected a value of the type Integer/);
  });
});
