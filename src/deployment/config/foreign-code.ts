/** Permission to approve or start a model's code on a server that does not isolate it, or isolates only its files. */
import { type Access, hasPermission, type Role } from '../../access/index.ts';
import { PlatformError } from '../../errors.ts';
import type { IsolationStatus } from '../../providers/index.ts';
import type { ForeignCodeCheck, ModelRuntime } from '../../registry/index.ts';

/** The server itself, and a local caller without a key, as the audit log names them. */
const operators: readonly string[] = ['penstock', 'anonymous'];

/**
 * Without isolation the code of a model has the rights of the server, including access to the admin key, so starting it requires an admin.
 * The server itself and local callers without a key count as admins; a key that was revoked meanwhile does not.
 */
export function foreignCodeCheck(isolation: () => IsolationStatus | null, access: Pick<Access, 'callerFor'>): ForeignCodeCheck {
  return ({ name, runtime }, who, variables = {}) => {
    if (runtime.kind === 'onnx') return;
    const role = operators.includes(who) ? 'admin' : access.callerFor(who)?.role;
    if (role === undefined) throw new PlatformError('forbidden', `${name} is not started: the key ${who} was revoked. Use another key`);
    if (runtime.kind === 'process' && Object.keys(variables).length > 0) checkVariables(name, runtime, role);
    const weakness = runtime.kind === 'python' || runtime.access?.isIsolated !== false ? weaknessOf(isolation()) : null;
    if (weakness === null || role === 'admin') return;
    throw new PlatformError(
      'forbidden',
      `${name} runs code of its own, and this server ${weakness}: ` +
        `expected a key of role admin, got ${role}. Ask an admin, or see penstock doctor`,
    );
  };
}

/** A variable such as LD_PRELOAD or PYTHONSTARTUP runs code that was never approved. */
function checkVariables(name: string, runtime: Extract<ModelRuntime, { kind: 'process' }>, role: Role): void {
  if (runtime.access?.isIsolated === false) {
    throw new PlatformError(
      'invalid_request',
      `${name} runs without isolation, because its image has "isolation": "none" in config.json: ` +
        'expected no environment variables, which could bring code. Set them in env of the image, and register the version again',
    );
  }
  if (hasPermission(role, 'approve')) return;
  throw new PlatformError(
    'forbidden',
    `environment variables can bring code that was not approved to ${name}: expected a key of role approver or admin, got ${role}. ` +
      'Leave them out, or ask an approver',
  );
}

/** Why code of a model could act as the server; null if it cannot. */
function weaknessOf(isolation: IsolationStatus | null): string | null {
  if (isolation?.mode === 'none') return 'isolates none ("isolation": {"mode": "none"} in config.json)';
  // Landlock does not restrict connections to unix sockets. Through them, the user of the server can reach a session bus, a container
  // engine or a database.
  if (isolation?.mode === 'landlock' && !isolation.hasOwnUsers) return 'isolates its files only (landlock without own users)';
  return null;
}
