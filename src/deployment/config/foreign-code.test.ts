import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Role } from '../../access/index.ts';
import type { IsolationStatus } from '../../providers/index.ts';
import type { ModelRuntime } from '../../registry/index.ts';
import { foreignCodeCheck } from './foreign-code.ts';

const code: ModelRuntime = {
  kind: 'process',
  image: 'i',
  command: ['x'],
  environment: {},
  concurrency: 1,
  access: { paths: [], isIsolated: true },
};
const ownCode: ModelRuntime = { ...code, access: { paths: [], isIsolated: false } };

test('Landlock without own users protects only files, so approving code still requires an admin', () => {
  const status = (hasOwnUsers: boolean): IsolationStatus => ({ mode: 'landlock', hasOwnUsers, reason: null, advice: null });
  const callerFor = (keyId: string) => ({ keyId, role: keyId as Role });
  const check = (hasOwnUsers: boolean, who: Role) =>
    foreignCodeCheck(() => status(hasOwnUsers), { callerFor })({ name: 'm/1', runtime: code }, who);
  check(true, 'approver');
  check(false, 'admin');
  assert.throws(() => check(false, 'approver'), { code: 'forbidden', message: /landlock without own users.*role admin, got approver/ });
});

for (const [what, mode, runtime, who, isAllowed] of [
  ['an approver approves code that is isolated', 'root', code, 'approver', true],
  ['an approver approves no code without isolation', 'none', code, 'approver', false],
  ['a deployer starts no code without isolation', 'none', code, 'deployer', false],
  ['an admin does', 'none', code, 'admin', true],
  ['the server itself starts any code', 'none', code, 'penstock', true],
  ['a local caller without a key starts any code', 'none', code, 'anonymous', true],
  ['ONNX models contain no code', 'none', { kind: 'onnx' }, 'deployer', true],
  ['a command of the operator is not foreign code', 'none', ownCode, 'deployer', true],
] as const satisfies readonly (readonly [string, IsolationStatus['mode'], ModelRuntime, string, boolean])[]) {
  test(what, () => {
    const callerFor = (keyId: string) => (['penstock', 'anonymous'].includes(keyId) ? undefined : { keyId, role: keyId as Role });
    const check = () =>
      foreignCodeCheck(() => ({ mode, hasOwnUsers: false, reason: null, advice: null }), { callerFor })({ name: 'm/1', runtime }, who);
    if (isAllowed) check();
    else assert.throws(check, { code: 'forbidden', message: /expected a key of role admin/ });
  });
}

for (const [what, runtime, role, expected] of [
  ['variables of a transform need the permission to approve', code, 'deployer', 'forbidden'],
  ['an approver may add variables', code, 'approver', null],
  ['no role may add variables to a command without isolation', ownCode, 'admin', 'invalid_request'],
  ['variables of an ONNX model reach nothing', { kind: 'onnx' }, 'deployer', null],
] as const satisfies readonly (readonly [string, ModelRuntime, Role, string | null])[]) {
  test(what, () => {
    const callerFor = (keyId: string) => ({ keyId, role });
    const status: IsolationStatus = { mode: 'root', hasOwnUsers: true, reason: null, advice: null };
    const check = () => foreignCodeCheck(() => status, { callerFor })({ name: 'm/1', runtime }, role, { LD_PRELOAD: '/tmp/x.so' });
    if (expected === null) check();
    else assert.throws(check, { code: expected, message: /environment variables/ });
  });
}

test('a key that was revoked meanwhile starts no code', () => {
  const status: IsolationStatus = { mode: 'none', hasOwnUsers: false, reason: null, advice: null };
  const check = foreignCodeCheck(() => status, { callerFor: () => undefined });
  assert.throws(() => check({ name: 'm/1', runtime: code }, 'AKIAREVOKED'), { code: 'forbidden', message: /revoked/ });
});
