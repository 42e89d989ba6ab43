/** docs/api/sagemaker.md lists exactly the supported operations. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Server } from '../../../end-to-end/server.ts';
import { coverageOf, type Members, markdownTable, nested } from './coverage.ts';
import { servedOperations } from './operations.ts';
import { namedOperations, replaceTables } from './page.ts';
import { memberPaths, type RecordedCall } from './recording.ts';

const page = readFileSync(join(import.meta.dirname, '../../../../docs/api/sagemaker.md'), 'utf8');

test('docs/api/sagemaker.md lists exactly the supported operations; `npm run aws-coverage` updates it', async () => {
  const server = await Server.start();
  try {
    const named = [...namedOperations(page)].map(([service, operations]) => [service, [...operations].sort()]);
    const served = [...(await servedOperations(server.url, server.adminKey))].map(([service, operations]) => [
      service,
      [...operations].sort(),
    ]);
    assert.deepEqual(Object.fromEntries(named), Object.fromEntries(served));
  } finally {
    await server.end();
  }
});

const leaf: Members = {
  type: 'string',
  members: new Map(),
  get element() {
    return leaf;
  },
};
const structure = (members: Record<string, Members>): Members => ({
  ...leaf,
  type: 'structure',
  members: new Map(Object.entries(members)),
});
const list = (element: Members): Members => ({ ...leaf, type: 'list', element });
const map: Members = { ...leaf, type: 'map' };

test('a table lists the tested members, clients and errors', () => {
  const model = {
    input: structure({ Name: leaf, Variants: list(structure({ Model: leaf, Environment: map })), Role: leaf }),
    output: structure({ Arn: leaf }),
  };
  const call = { client: 'JavaScript', service: 's', operation: 'CreateThing', output: ['Arn', 'Unknown'], refusal: null };
  const calls: RecordedCall[] = [
    { ...call, input: memberPaths({ Name: 'n', Variants: [{ Model: 'm' }, { Environment: { KEY: 'v' } }], Unknown: undefined }) },
    { ...call, client: 'awscli 2', operation: 'create-thing', input: ['name', 'output'], output: [] },
    { ...call, client: 'boto3 1', input: ['Role'], output: [], refusal: 'ValidationException' },
  ];
  const coverage = coverageOf('CreateThing', calls, model);
  assert.deepEqual(coverage, {
    operation: 'CreateThing',
    input: ['Name', 'Variants', 'Variants.Environment', 'Variants.Model'],
    notSent: ['Role'],
    output: ['Arn'],
    refusals: ['ValidationException'],
    clients: ['JavaScript', 'awscli 2'],
  });
  assert.equal(nested(coverage.input), 'Name, Variants (Environment, Model)');
  const table = markdownTable([coverage, coverageOf('DeleteThing', calls, model)]);
  const text = replaceTables('<!-- operations: s -->\nold\n<!-- end -->', new Map([['s', table]]));
  assert.deepEqual([...namedOperations(text)], [['s', ['CreateThing', 'DeleteThing']]]);
  assert.match(text, /\*\*DeleteThing\*\* \|  \| Name, Variants, Role \|  \|  \| no test \|/);
});
