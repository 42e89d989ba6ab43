/** The permissions of a pipeline: those of the key that applied its revision, checked when it is applied and again at each step. */
import { type Access, type Action, type Caller, hasPermission, permissionFor, weakestRoleWith } from '../../access/index.ts';
import { PlatformError } from '../../errors.ts';
import { type PipelineSpec, type PipelineStep, stepsOf } from './pipeline-spec.ts';

const stepActions = {
  train: 'train',
  register: 'register version',
  evaluate: 'evaluate',
  approve: 'approve version',
  deploy: 'update endpoint',
} as const satisfies Record<PipelineStep, Action>;

/** The action that a step performs; null for an approval by a person. */
function actionOf(spec: PipelineSpec, step: PipelineStep): Action | null {
  return step === 'approve' && spec.approve?.when === 'manual' ? null : stepActions[step];
}

/** Throws `forbidden` unless the caller has the permissions of all steps. */
export function checkRights(access: Pick<Access, 'require'>, caller: Caller, spec: PipelineSpec): void {
  for (const step of stepsOf(spec)) {
    const action = actionOf(spec, step);
    if (action === null) continue;
    try {
      access.require(caller, permissionFor(action));
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      throw new PlatformError(error.code, `step ${step} of pipeline ${spec.name}: ${error.message}`, { cause: error });
    }
  }
}

/**
 * Throws `forbidden` unless the key still exists and may do what the step does. `anonymous` stands for a local caller without a key, who may
 * do everything as long as the server listens on loopback only.
 */
export function checkStepRights(
  { access, isLoopback }: { readonly access: Pick<Access, 'callerFor'>; readonly isLoopback: boolean },
  who: string,
  spec: PipelineSpec,
  step: PipelineStep,
): void {
  const action = actionOf(spec, step);
  if (action === null) return;
  if (who === 'anonymous') {
    if (isLoopback) return;
    throw new PlatformError(
      'forbidden',
      `step ${step}: the pipeline was applied without a key, and the server listens beyond loopback now: apply pipeline ${spec.name} again with a key`,
    );
  }
  const role = access.callerFor(who)?.role;
  const cure = `apply pipeline ${spec.name} again with another key`;
  if (role === undefined)
    throw new PlatformError('forbidden', `step ${step}: the key ${who}, which applied the pipeline, was revoked: ${cure}`);
  const permission = permissionFor(action);
  if (!hasPermission(role, permission)) {
    const wanted = weakestRoleWith(permission);
    throw new PlatformError(
      'forbidden',
      `step ${step}: the key ${who}, which applied the pipeline, has the role ${role}, and ${wanted} is needed: ${cure}`,
    );
  }
}
