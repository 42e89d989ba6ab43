/** Describes what the next run of a pipeline would do, step by step. */
import { PlatformError } from '../../errors.ts';
import { sameName } from '../../names.ts';
import { approximateMs } from '../../objective.ts';
import type { ApproveSettings, DeploySettings, EvaluateSettings, PipelineSpec, PipelineStep } from './pipeline-spec.ts';
import { stepsOf } from './pipeline-spec.ts';
import type { RunStepDeps } from './run-steps.ts';
import { holdoutName, otherGroup, versionAgainst } from './step-evaluate.ts';

/** A step, in a sentence. */
export interface PlannedStep {
  readonly step: PipelineStep;
  readonly text: string;
}

type PlanDeps = Pick<RunStepDeps, 'deployments' | 'registry' | 'buckets' | 'rows' | 'alarmState'>;

/** Throws `wrong_state` for an endpoint of another group, `not_found` for a version or an alarm that is not there. */
export async function planPipeline(deps: PlanDeps, spec: PipelineSpec): Promise<readonly PlannedStep[]> {
  checkEndpoint(deps, spec);
  checkAlarms(deps, spec);
  const against = await versionAgainst(deps, spec, null);
  const texts: Readonly<Record<PipelineStep, () => string | Promise<string>>> = {
    train: () => trainText(spec),
    register: () => `the model becomes the next version of ${spec.group}, pending approval`,
    evaluate: () => evaluateText(deps, spec.evaluate as EvaluateSettings, against),
    approve: () => approveText(spec.approve as ApproveSettings, against),
    deploy: () => deployText(deps, spec.deploy as DeploySettings),
  };
  return Promise.all(stepsOf(spec).map(async (step) => ({ step, text: await texts[step]() })));
}

function checkEndpoint({ deployments }: PlanDeps, { deploy, group }: PipelineSpec): void {
  const endpoint = deployments.list().find(({ config }) => sameName(config.name, deploy?.endpoint ?? ''));
  if (endpoint === undefined || group === null) return;
  const groups = endpoint.config.variants.map((variant) => variant.group);
  if (!groups.some((other) => sameName(other, group))) throw otherGroup(endpoint.config.name, groups[0] ?? '', group);
}

/** Not only after hours of training. An endpoint that is still to be created brings alarms of its own, which are named after it. */
function checkAlarms({ alarmState, deployments }: PlanDeps, { deploy }: PipelineSpec): void {
  const endpoint = deploy?.endpoint ?? '';
  const isThere = deployments.list().some(({ config }) => sameName(config.name, endpoint));
  const mayCome = (name: string): boolean => !isThere && name.toLowerCase().startsWith(`${endpoint.toLowerCase()}-`);
  const missing = deploy?.alarms.find((name) => alarmState(name) === null && !mayCome(name));
  if (missing === undefined) return;
  throw new PlatformError('not_found', `deploy.rollout.alarms: there is no alarm '${missing}': create it, or name another`, {
    hint: '`penstock alarms list` lists all alarms',
  });
}

function trainText({ train }: PipelineSpec): string {
  const { command, entry, environment, instanceType, channels } = train;
  const where = `${environment ?? 'no environment'}, ${instanceType ?? 'local.1'}`;
  const data = channels.map(({ name, source }) => `${name} from ${source.kind === 's3' ? source.uri : `captured:${source.endpoint}`}`);
  return [`run ${entry ?? command?.join(' ').slice(0, 200)} (${where})`, ...data].join(', ');
}

async function evaluateText({ buckets, rows }: PlanDeps, settings: EvaluateSettings, against: string | null): Promise<string> {
  const name = await holdoutName(buckets, settings).catch((error: unknown) => {
    if (error instanceof PlatformError && error.code === 'not_found') return null;
    throw error;
  });
  const rivals = against === null ? 'the new version alone' : `the new version and ${against}`;
  const text = `${settings.metric} of ${rivals} on ${settings.data}`;
  if (name === null) return `${text}, which does not exist yet`;
  const uses = await rows.usesOf(name, null);
  return uses === 0 ? text : `${text}, on whose rows ${uses} ${uses === 1 ? 'test was' : 'tests were'} made before`;
}

function approveText({ when, confidence, marginMin, unsure }: ApproveSettings, against: string | null): string {
  if (when === 'manual') return 'leave it pending, for an approver';
  if (when === 'always') return 'approve it';
  if (against === null) return 'approve it, as the first version';
  const margin = marginMin === 0 ? '' : ` by at least ${marginMin}`;
  const otherwise = unsure === 'reject' ? 'reject it' : 'leave it pending';
  return `approve it if it is better than ${against}${margin} at ${100 * confidence} %, reject it if it is worse, else ${otherwise}`;
}

function deployText({ deployments }: PlanDeps, { endpoint, steps, alarms }: DeploySettings): string {
  const known = deployments.list().some(({ config }) => sameName(config.name, endpoint));
  if (!known) return `create endpoint ${endpoint}`;
  const shares = steps.map(({ share, watchMs }) => `${Number((100 * share).toFixed(2))} % for ${approximateMs(watchMs)}`);
  const guarded = alarms.length === 0 ? '' : `; rolled back if ${alarms.join(' or ')} is in ALARM`;
  return `update endpoint ${endpoint}: ${shares.join(', then ')}${guarded}`;
}
