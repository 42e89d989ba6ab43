/** Step deploy: a watched update of the endpoint, or its creation. A version that is rolled back is rejected. */
import {
  type CountedVersion,
  type EndpointView,
  isUnderWay,
  newVariant,
  productionVariants,
  type RolloutGuard,
  type TransactionHook,
  variantNameDefault,
} from '../../deployment/index.ts';
import { messageOf } from '../../errors.ts';
import { defaultsOf, endpointFields } from '../../fields/index.ts';
import { sameName } from '../../names.ts';
import { runName } from './pipeline.ts';
import type { DeploySettings } from './pipeline-spec.ts';
import { pauseFor, type StepContext, type StepOutcome } from './run-steps.ts';
import { otherGroup } from './step-evaluate.ts';

const pollMs = 500;

/** The outcome of the update. */
interface DeployEnd {
  readonly outcome: 'deployed' | 'rolled back' | 'replaced' | 'failed';
  readonly reason: string;
}

/** Waits for the rollout to end, which may take as long as its steps do. */
export async function deployStep(context: StepContext): Promise<StepOutcome> {
  const { deps, spec, run, who, signal } = context;
  const { endpoint } = spec.deploy as DeploySettings;
  const version = run.version as string;
  const generation = run.generation ?? (await startUpdate(context));
  let counted: readonly CountedVersion[] = [];
  for (;;) {
    const view = find(context, endpoint);
    if (view === null) return { state: 'Failed', note: `endpoint ${endpoint} was deleted during the rollout` };
    if (view.rolloutVersions.length > 0) counted = view.rolloutVersions;
    const end = endOf(view, generation);
    if (end !== null) {
      await recordEffect(context, end, counted);
      if (end.outcome === 'deployed') return { state: 'Completed', note: `${version} serves ${endpoint}: ${end.reason}` };
      if (end.outcome === 'replaced') return { state: 'Failed', note: `${endpoint}: ${end.reason}` };
      const [group = '', number = ''] = version.split('/');
      const note = `pipeline:${runName(run)}: rolled back: ${end.reason}`.slice(0, 1000);
      await deps.registry.setApproval(group, Number(number), 'Rejected', { who, note });
      return { state: 'Failed', note: `${version} was rolled back and rejected: ${end.reason}` };
    }
    await pauseFor(deps.clock, pollMs, signal);
    signal.throwIfAborted();
  }
}

/** Null while the update is under way. Pure. */
export function endOf(
  view: Pick<EndpointView, 'generation' | 'servedGeneration' | 'rollout' | 'status' | 'reason'>,
  generation: number,
): DeployEnd | null {
  const { rollout, status, servedGeneration } = view;
  if (rollout !== null && rollout.rolledBack !== null && rollout.beforeGeneration === generation - 1)
    return { outcome: 'rolled back', reason: rollout.rolledBack };
  // A lower generation means that the endpoint was deleted and created again.
  if (view.generation !== generation) return { outcome: 'replaced', reason: 'another update began during the rollout' };
  if (isUnderWay(rollout)) return null;
  if (status === 'Failed') return { outcome: 'failed', reason: view.reason ?? 'the endpoint failed' };
  if (servedGeneration !== generation) return null;
  return { outcome: 'deployed', reason: rollout === null && generation === 1 ? 'created' : 'all steps of the rollout passed' };
}

/** Returns the generation that deploys the version. It is stored in the transaction of the update: a kill between them loses neither. */
async function startUpdate(context: StepContext): Promise<number> {
  const { deps, spec, run, who, saveIn } = context;
  const { endpoint, steps, alarms } = spec.deploy as DeploySettings;
  const [group = '', number = ''] = (run.version as string).split('/');
  const model = { group, version: Number(number) };
  const stored: { generation: number | null; announce: () => void } = { generation: null, announce: () => undefined };
  const hook: TransactionHook = async (tx, { generation }) => {
    stored.generation = generation;
    stored.announce = await saveIn(tx, { generation });
  };
  const view = find(context, endpoint);
  if (view === null) {
    const variants = [newVariant({ name: variantNameDefault, model })];
    await deps.deployments.create({ ...defaultsOf(endpointFields), name: endpoint, objective: null, variants }, who, hook);
  } else {
    const changes = view.config.variants.map(({ name, group: of, isShadow }) => ({
      name,
      ...(isShadow !== true && sameName(of, group) ? { model } : {}),
    }));
    if (!changes.some((change) => 'model' in change)) throw otherGroup(endpoint, view.config.variants[0]?.group ?? '', group);
    const guard: RolloutGuard = { steps: steps.map(({ share, watchMs }) => ({ share, bakeMs: watchMs })), alarms, timeoutMs: null };
    await deps.deployments.update(endpoint, { variantChanges: changes }, who, hook, isServed(view, run.version as string) ? null : guard);
  }
  stored.announce();
  return stored.generation ?? find(context, endpoint)?.generation ?? 1;
}

function isServed({ config }: EndpointView, version: string): boolean {
  return productionVariants(config.variants).every((variant) => sameName(`${variant.group}/${variant.version}`, version));
}

function find({ deps }: StepContext, endpoint: string): EndpointView | null {
  return deps.deployments.list().find(({ config }) => sameName(config.name, endpoint)) ?? null;
}

async function recordEffect({ deps, run }: StepContext, { outcome, reason }: DeployEnd, counted: readonly CountedVersion[]): Promise<void> {
  if (run.decision === null) return;
  const effect = { outcome, reason, versions: counted.map(({ model, counts }) => ({ model, ...counts })) };
  await deps.decisions.fillEffect({ id: run.decision, effect }).catch((error: unknown) => {
    deps.log.warn({ run: runName(run), error: messageOf(error) }, 'failed to record the effect of a decision to approve');
  });
}
