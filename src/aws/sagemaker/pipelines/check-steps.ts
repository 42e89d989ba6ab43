/** What of a definition can be checked before it runs: the rights of its key, and requests of steps that are not supported. */
import { type Caller, hasPermission, weakestRoleWith } from '../../../access/index.ts';
import { PlatformError } from '../../../errors.ts';
import { type AwsCall, AwsError, type AwsOperation, permissionOf } from '../../service.ts';
import { shapesOf } from '../../shapes/shapes.ts';
import { processingSpecOf } from '../training/processing-members.ts';
import { createdSpecOf, type TrainingSpecDeps } from '../training/training-spec.ts';
import { tuningSpecOf } from '../training/tuning-members.ts';
import type { GraphStep, PipelineDefinition, PipelineParameter } from './definition.ts';
import { resolveReferences } from './references.ts';
import { fitted, stepKinds } from './step-kinds.ts';

export interface CheckStepsDeps extends TrainingSpecDeps {
  readonly operations: () => Readonly<Record<string, AwsOperation>>;
}

/** Stands for what is known only when the pipeline runs. */
const later = 's3://later/later';
const valuesOfType = { String: later, Integer: 1, Float: 1, Boolean: false } as const satisfies Record<PipelineParameter['type'], unknown>;

/**
 * With the defaults of parameters. Throws `ValidationException` for what is not supported; `forbidden` if the caller may not do what a step
 * does. Other faults can depend on values that are known only later.
 */
export async function checkSteps(deps: CheckStepsDeps, { parameters, steps }: PipelineDefinition, call: AwsCall): Promise<void> {
  const defaults = new Map(parameters.map(({ name, type, otherwise }) => [name, otherwise ?? valuesOfType[type]]));
  for (const step of steps) {
    const kind = stepKinds[step.type];
    const row = kind === undefined ? undefined : deps.operations()[kind.create];
    if (kind === undefined || row === undefined) continue;
    const resolved = await resolveReferences(
      withoutSteps(step.arguments),
      {
        parameter: (name) => defaults.get(name),
        execution: () => later,
        step: () => Promise.resolve(later),
        file: () => Promise.resolve(later),
        object: () => Promise.resolve(later),
      },
      `step '${step.name}'`,
    );
    const shape = shapesOf('sagemaker').operation(kind.create)?.input ?? null;
    const members = { ...((shape === null ? resolved : fitted(shape, resolved)) as Record<string, unknown>), [kind.name]: 'later' };
    checkRights(call.caller, row, members, step);
    checkServedHere(deps, step, members, call);
  }
}

/** References to steps and files lead nowhere yet. */
function withoutSteps(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutSteps);
  const [name, path] = Object.entries(value)[0] ?? [];
  if (name === 'Std:JsonGet' || (name === 'Get' && String(path).startsWith('Steps.'))) return later;
  return Object.fromEntries(Object.entries(value).map(([member, each]) => [member, withoutSteps(each)] as const));
}

function checkRights({ role, keyId }: Caller, row: AwsOperation, members: Record<string, unknown>, { name }: GraphStep): void {
  const permission = permissionOf(row, members);
  if (permission === null || hasPermission(role, permission)) return;
  const wanted = weakestRoleWith(permission);
  throw new PlatformError('forbidden', `step '${name}': the key ${keyId} has the role ${role}, and ${wanted} is needed`);
}

function checkServedHere(deps: CheckStepsDeps, { name, type }: GraphStep, members: Record<string, unknown>, call: AwsCall): void {
  try {
    if (type === 'Training') createdSpecOf(members, {}, call, deps);
    if (type === 'Processing') processingSpecOf(members, deps);
    if (type === 'Tuning') tuningSpecOf(members, call, deps);
  } catch (error) {
    if (!(error instanceof AwsError || error instanceof PlatformError) || !/is not supported/.test(error.message)) return;
    throw new AwsError('ValidationException', `step '${name}': ${error.message}`, { cause: error });
  }
}
