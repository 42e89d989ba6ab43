/** The permissions of a pipeline: those of the key that applied its revision, checked when it is applied and again at each step. */
import { type Access, type Action, type Caller, hasPermission, permissionFor, weakestRoleWith } from '../../access/index.ts';
import { PlatformError } from '../../errors.ts';
import type { PipelineRun } from './pipeline.ts';
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

/** Of a rule, and of a key that was revoked. */
const starterRole = weakestRoleWith(permissionFor('run pipeline'));

/**
 * Why a run may not decide about a version that was trained with values given at its start; null if it may. Otherwise, who may only start runs
 * would have any training approved by a pipeline of an approver. Defaults are values of the key that applied the file.
 */
export function startValuesProblem(
  { access, isLoopback }: { readonly access: Pick<Access, 'callerFor'>; readonly isLoopback: boolean },
  { parameters, trigger }: Pick<PipelineRun, 'parameters' | 'trigger'>,
  spec: Pick<PipelineSpec, 'parameters'>,
): string | null {
  const permission = permissionFor(stepActions.approve);
  for (const [name, by] of Object.entries(trigger.setBy ?? {})) {
    if (parameters[name] === spec.parameters[name] || (by === 'anonymous' && isLoopback)) continue;
    const role = (by === null ? undefined : access.callerFor(by)?.role) ?? starterRole;
    if (hasPermission(role, permission)) continue;
    const source = by === null ? 'a rule' : `the key ${by}`;
    return `${source} gave parameter ${name} its value, with the role ${role}, and ${weakestRoleWith(permission)} is needed to approve`;
  }
  return null;
}
