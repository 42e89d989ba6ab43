import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { Access, type Role, roles } from '../../access/index.ts';
import { VirtualClock } from '../../clock.ts';
import type { PipelineTrigger } from './pipeline.ts';
import { parsePipelineFile } from './pipeline-file.ts';
import { checkRights, checkStepRights, startValuesProblem } from './pipeline-rights.ts';
import { startValues } from './triggers.ts';

const specWith = (rest: string) => parsePipelineFile(`name: loop\ntrain: {command: [/bin/true]}\n${rest}`, 0);
const trained = specWith('');
const left = specWith('register: {group: g}\napprove: {when: manual}\ndeploy: {endpoint: e}\n');
const always = specWith('register: {group: g}\napprove: {when: always}\n');
const better = specWith('register: {group: g}\nevaluate: {data: s3://b/h.csv, label: l, against: g/1}\napprove: {when: better}\n');

function fixture(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-rights-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const access = Access.open(join(folder, 'keys.json'), new VirtualClock());
  const keyOf = (role: Role) => access.create(role).id;
  return { access, keyOf };
}

describe('the rights of a pipeline', () => {
  for (const { what, spec, allowed } of [
    { what: 'training alone', spec: trained, allowed: ['deployer', 'approver', 'admin'] },
    { what: 'deploying what an approver approved', spec: left, allowed: ['deployer', 'approver', 'admin'] },
    { what: 'approving always', spec: always, allowed: ['approver', 'admin'] },
    { what: 'approving what is better', spec: better, allowed: ['approver', 'admin'] },
  ]) {
    test(`${what} can be applied by ${allowed.join(', ')}`, (t) => {
      const { access, keyOf } = fixture(t);
      const able = roles.filter((role) => {
        const caller = access.callerFor(keyOf(role));
        assert(caller !== undefined);
        try {
          checkRights(access, caller, spec);
          return true;
        } catch (error) {
          assert.match(String(error), /step \w+ of pipeline loop: .* lacks the permission/);
          return false;
        }
      });
      assert.deepEqual(able, allowed);
    });
  }

  test('are checked again at each step: a revoked key stops it, with the reason', (t) => {
    const { access, keyOf } = fixture(t);
    const id = keyOf('approver');
    for (const step of ['train', 'register', 'approve'] as const)
      assert.doesNotThrow(() => checkStepRights({ access, isLoopback: true }, id, always, step));
    access.revoke(id);
    assert.throws(() => checkStepRights({ access, isLoopback: true }, id, always, 'approve'), {
      code: 'forbidden',
      message: `step approve: the key ${id}, which applied the pipeline, was revoked: apply pipeline loop again with another key`,
    });
  });

  test('of a key with fewer permissions end at the step that needs more', (t) => {
    const { access, keyOf } = fixture(t);
    const id = keyOf('deployer');
    assert.doesNotThrow(() => checkStepRights({ access, isLoopback: true }, id, always, 'train'));
    assert.throws(() => checkStepRights({ access, isLoopback: true }, id, always, 'approve'), {
      message: /has the role deployer, and approver is needed/,
    });
    assert.doesNotThrow(() => checkStepRights({ access, isLoopback: true }, id, left, 'approve'));
  });

  test('of a pipeline that was applied without a key end when the server listens beyond loopback', (t) => {
    const { access } = fixture(t);
    assert.doesNotThrow(() => checkStepRights({ access, isLoopback: true }, 'anonymous', always, 'approve'));
    assert.throws(() => checkStepRights({ access, isLoopback: false }, 'anonymous', always, 'approve'), {
      code: 'forbidden',
      message:
        /step approve: the pipeline was applied without a key, and the server listens beyond loopback now: apply pipeline loop again/,
    });
    assert.doesNotThrow(() => checkStepRights({ access, isLoopback: false }, 'anonymous', left, 'approve'));
  });

  describe('with values that a start gave, whose training it then approves', () => {
    const spec = specWith('parameters: {C: 1}');
    const problemOf = (access: Access, by: string | null, C: string, isLoopback = true): string | null => {
      const trigger: PipelineTrigger = { kind: 'manual', by: String(by), count: 1, atMs: 0, ...startValues({ C }, by) };
      return startValuesProblem({ access, isLoopback }, { parameters: { C }, trigger }, spec);
    };

    test('are those of the key that gave them, if it has fewer', (t) => {
      const { access, keyOf } = fixture(t);
      const [deployer, approver] = [keyOf('deployer'), keyOf('approver')];
      const problem = `the key ${deployer} gave parameter C its value, with the role deployer, and approver is needed to approve`;
      assert.equal(problemOf(access, deployer, '2'), problem);
      assert.equal(problemOf(access, approver, '2'), null);
      assert.equal(problemOf(access, deployer, '1'), null); // the default
      access.revoke(approver);
      assert.match(problemOf(access, approver, '2') ?? '', /with the role deployer, and approver is needed/);
    });

    test('are those of a deployer for a rule, whatever it is called, and for no key beyond loopback', (t) => {
      const { access } = fixture(t);
      assert.match(problemOf(access, null, '2') ?? '', /^a rule gave parameter C its value, with the role deployer/);
      assert.equal(problemOf(access, 'anonymous', '2'), null);
      assert.match(problemOf(access, 'anonymous', '2', false) ?? '', /^the key anonymous gave/);
    });
  });
});
