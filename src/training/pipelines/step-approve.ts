/** Step approve: approves or rejects the version by the test, and records the decision with its alternatives. */
import { variantNameDefault } from '../../deployment/index.ts';
import { sameName } from '../../names.ts';
import type { NewDecision } from '../../records/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { judgeBetter, type TrainingVerdict } from './judge-better.ts';
import { type PipelineRun, runName } from './pipeline.ts';
import { startValuesProblem } from './pipeline-rights.ts';
import type { ApproveSettings, PipelineSpec } from './pipeline-spec.ts';
import { pauseFor, type RunStepDeps, type StepContext, type StepOutcome } from './run-steps.ts';

const openingPollMs = 200;

type TrainingAction = 'approve' | 'reject' | 'keep';

/** What the step does with the version, and why. */
export interface TrainingChoice {
  readonly verdict: TrainingVerdict | null;
  readonly action: TrainingAction;
  readonly reason: string;
}

/** What happens to the version. Pure. */
export function chooseApproval(
  approve: ApproveSettings,
  { test, version, against }: Pick<PipelineRun, 'test' | 'version' | 'against'>,
): TrainingChoice {
  if (approve.when === 'manual') return { verdict: null, action: 'keep', reason: 'approve.when is manual' };
  if (approve.when === 'always') return { verdict: null, action: 'approve', reason: 'approve.when is always' };
  if (test === null || against === null)
    return { verdict: 'better', action: 'approve', reason: `${version} is the first: there is no version to compare it with` };
  const { verdict, reason } = judgeBetter(test, approve);
  const actions = { better: 'approve', worse: 'reject', unsure: approve.unsure === 'reject' ? 'reject' : 'keep' } as const;
  return { verdict, action: actions[verdict], reason: `${reason} (against ${against})` };
}

/** A version that was decided by hand meanwhile is left as it is. */
export async function approveStep(context: StepContext): Promise<StepOutcome> {
  const { deps, spec, run, who, save } = context;
  const version = run.version as string;
  const [group = '', number = ''] = version.split('/');
  const choice = asAllowed(chooseApproval(spec.approve as ApproveSettings, run), startValuesProblem(deps, run, spec));
  const judged = judgedBy(await deps.registry.version(group, Number(number)), choice.action);
  if (judged !== null) {
    const note = `left as it was, ${judged}: ${choice.reason}`;
    return { state: 'Completed', note, stops: `${version} was ${judged}`, facts: { verdict: choice.verdict } };
  }
  const decision = run.decision === null ? decisionOf(context, choice) : null;
  if (decision !== null) await recordDecision(deps, save, decision, choice.verdict);
  const note = `pipeline:${runName(run)}: ${choice.reason}`.slice(0, 1000);
  if (choice.action === 'keep') {
    const next = `next: penstock approve ${version}${spec.deploy === null ? '' : `, then penstock deploy ${version} ${spec.deploy.endpoint}`}`;
    return {
      state: 'Completed',
      note: `left pending: ${choice.reason}; ${next}`,
      stops: `${version} is pending approval`,
      facts: { verdict: choice.verdict },
    };
  }
  if (choice.action === 'reject') {
    await deps.registry.setApproval(group, Number(number), 'Rejected', { who, note });
    return {
      state: 'Completed',
      note: `rejected ${version}: ${choice.reason}`,
      stops: `${version} was rejected`,
      facts: { verdict: choice.verdict },
    };
  }
  const { approval } = await deps.registry.setApproval(group, Number(number), 'Approved', { who, note });
  if (approval !== 'Approved') return awaitOpening(context, { group, number: Number(number) }, choice);
  return { state: 'Completed', note: `approved ${version}: ${choice.reason}`, facts: { verdict: choice.verdict } };
}

/** A version that the run may not decide about is left pending. Pure. */
export function asAllowed(choice: TrainingChoice, problem: string | null): TrainingChoice {
  return problem === null || choice.action === 'keep' ? choice : { ...choice, action: 'keep', reason: `${choice.reason}, but ${problem}` };
}

/** `Rejected by AKIA…` if a person has decided during the run; their decision stays. Null if not. Pure. */
export function judgedBy(
  { approval, approvalChangedBy }: Pick<ModelVersion, 'approval' | 'approvalChangedBy'>,
  action: TrainingAction,
): string | null {
  const own = { approve: 'Approved', reject: 'Rejected', keep: approval }[action];
  return approval === 'PendingManualApproval' || approval === own ? null : `${approval} by ${approvalChangedBy ?? 'its registration'}`;
}

/** A Python model is opened by a worker first, and approved if that succeeds. */
async function awaitOpening(
  { deps, run, signal }: StepContext,
  { group, number }: { readonly group: string; readonly number: number },
  choice: TrainingChoice,
): Promise<StepOutcome> {
  for (;;) {
    signal.throwIfAborted();
    const { approval, python } = await deps.registry.version(group, number);
    if (approval === 'Approved')
      return { state: 'Completed', note: `approved ${run.version}: ${choice.reason}`, facts: { verdict: choice.verdict } };
    if (python?.state !== 'opening')
      return { state: 'Failed', note: `${run.version} could not be opened: ${python?.reason ?? 'the opening was cancelled'}` };
    await pauseFor(deps.clock, openingPollMs, signal);
  }
}

/** Null without an endpoint, because decisions belong to an endpoint. */
function decisionOf({ deps, spec, run }: StepContext, { verdict, action, reason }: TrainingChoice): NewDecision | null {
  const endpoint = deps.deployments.list().find(({ config }) => sameName(config.name, spec.deploy?.endpoint ?? ''));
  if (endpoint === undefined) return null;
  const { version, against, test, holdout, scores, trigger } = run;
  const variant = endpoint.config.variants.find(({ group }) => sameName(group, spec.group ?? ''))?.name ?? variantNameDefault;
  return {
    kind: 'training',
    endpoint: endpoint.config.name,
    variant,
    trigger: trigger.kind,
    inputs: { run: runName(run), version, against, test, holdout, scores, approve: spec.approve },
    alternatives: alternativesOf(spec, version, against),
    chosen: { action, version, verdict },
    reason: verdict ?? (spec.approve?.when as string),
    explanation: explanations[action](version ?? '', reason),
    changes: action !== 'keep',
    ...(action === 'approve' ? {} : { effect: { unknown: 'nothing was deployed' } }),
  };
}

function alternativesOf({ deploy }: PipelineSpec, version: string | null, against: string | null): readonly unknown[] {
  const then = deploy === null ? '' : `, then deploy it to ${deploy.endpoint} in ${deploy.steps.length} watched steps`;
  return [
    { action: 'approve', text: `approve ${version}${then}` },
    { action: 'keep', text: `leave ${version} pending${against === null ? '' : `, and keep ${against} serving`}` },
    { action: 'reject', text: `reject ${version}` },
  ];
}

const explanations: Readonly<Record<TrainingAction, (version: string, reason: string) => string>> = {
  approve: (version, reason) => `${version} was approved: ${reason}.`,
  keep: (version, reason) => `${version} was left pending: ${reason}.`,
  reject: (version, reason) => `${version} was rejected: ${reason}.`,
};

/** In one transaction with the run, so that a decision is recorded once. */
async function recordDecision(
  { decisions, events }: RunStepDeps,
  save: StepContext['save'],
  decision: NewDecision,
  verdict: TrainingVerdict | null,
): Promise<void> {
  const recorded: { event: Parameters<typeof events.publish>[0] | null } = { event: null };
  await save({ verdict }, async (tx) => {
    const { made, event } = await decisions.recordIn(tx, decision);
    recorded.event = event;
    return { decision: made.id };
  });
  if (recorded.event !== null) events.publish(recorded.event);
}
