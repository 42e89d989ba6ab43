/**
 * `penstock simulate --select`: policies of a selection under a load. Each request is a row of the evaluation set with its stored answers,
 * so accuracies are those of real answers. Evaluated and live rows are the same.
 */
import type { EvaluationBody, VersionBody } from '../api/index.ts';
import { parseCsv } from '../codecs/index.ts';
import { workerKeyOf } from '../evaluation/index.ts';
import { formatObjective, type Objective, objectiveShare } from '../objective.ts';
import { platformOverheadMs } from '../profiling/index.ts';
import { judgePlans, type SelectableModel } from '../selection/index.ts';
import {
  expectedRequests,
  type FleetRequest,
  type Load,
  policyOf,
  SelectionSimulation,
  type SelectionSimulationResult,
  type SimulatedProfile,
  serviceTimes,
} from '../simulation/index.ts';
import { CliError } from './cli-error.ts';
import { type Client, pathSegment } from './client/client.ts';
import { measuredProfile } from './client/measured-profile.ts';
import type { SimulatedSelectionOptions } from './options/simulated-selection-options.ts';
import { formatMsText, formatUsd } from './output/format.ts';
import { Progress } from './output/progress.ts';
import { table } from './output/table.ts';
import type { VerbSession } from './verb.ts';

export interface SelectionContext extends SimulatedSelectionOptions {
  readonly load: Load;
  readonly objective: Objective;
  readonly policies: readonly string[];
  readonly instanceType: string | undefined;
  /** Null: two minutes. */
  readonly leadMs: number | null;
  readonly instancesMax: number;
  /** Maximum rows of a call of a function; null: a full batch of the plan. */
  readonly functionBatchMax: number | null;
  readonly seed: number;
  readonly serviceSeed: number;
}

const policiesDefault = ['always-best', 'always-cheapest', 'proteus', 'select'];
const elasticDefault = ['always-best', 'always-best+functions', 'floor+functions', 'select+functions'];
const functionMemoryMiB = 1769; // one vCPU, like local.1
const coldMsDefault = 124;
const leadMsDefault = 120_000;
const keepAliveMs = 600_000;
const confidence = 0.95;

/** Prints a table of the policies. */
export async function simulateSelection(session: VerbSession, context: SelectionContext): Promise<void> {
  const { load, objective, accuracy: floor, select = [], set } = context;
  if (set === undefined || floor === undefined) throw new CliError("--select needs --set NAME and --accuracy, such as '>=0.97'", 2);
  const client = await session.client();
  const answers = await answersOf(client, set, await Promise.all(select.map((name) => resolved(client, name))));
  const candidates = await Promise.all(answers.models.map((model) => candidateOf(client, model, objective, context.instanceType)));
  const [first] = candidates;
  if (first === undefined) throw new CliError('--select names no model', 2);
  const usdPerInstanceHour = first.usdPerHour;
  const models = candidates.map(({ model }) => model);
  const ratePerSecond = (1000 * expectedRequests(load)) / load.durationMs;
  const { plans } = judgePlans(answers.labels, models, {
    floor,
    confidence,
    limitMs: objective.latencyMs,
    share: objectiveShare(objective),
    overheadMs: platformOverheadMs,
    ratePerSecond,
    usdPerInstanceHour,
  });
  const fleet = fleetOf(context, first.profile);
  const policies = context.policies.length > 0 ? context.policies : fleet.kind === 'fixed' ? policiesDefault : elasticDefault;
  const input = { plans, floor, degradeTo: context.degradeTo ?? null, fleet };
  const specs = policies.map((policy) => ({ policy, ...policyOf(policy, input) }));
  const progress = new Progress(session.context);
  progress.stage('simulate', `${specs.length} policies over ${load.name}, ${formatObjective(objective)}`);
  const results: SelectionSimulationResult[] = [];
  try {
    for (const spec of specs) {
      const { seed, serviceSeed } = context;
      const shared = {
        load,
        objective,
        overheadMs: platformOverheadMs,
        usdPerInstanceHour,
        labels: answers.labels,
        models,
        seed,
        serviceSeed,
      };
      results.push(await new SelectionSimulation({ ...shared, ...spec }).run(session.context.interrupted));
      progress.write(`${spec.policy}: done`);
    }
  } catch (error) {
    progress.fail();
    throw error;
  }
  progress.done();
  session.print({ results }, selectionResultsText(results));
}

interface AnsweredSet {
  readonly labels: Int32Array;
  readonly models: readonly { readonly version: VersionBody; readonly predictions: Int32Array; readonly unsureness: Float64Array }[];
}

async function resolved(client: Client, reference: string): Promise<VersionBody> {
  const [, group = reference, version] = /^([^/]+)\/([1-9]\d*)$/.exec(reference) ?? [];
  if (version !== undefined) return client.get<VersionBody>(`/groups/${pathSegment(group)}/versions/${version}`);
  const versions = await client.all<VersionBody>(`/groups/${pathSegment(group)}/versions`);
  const [newest] = versions.filter(({ approval }) => approval === 'Approved').sort((a, b) => b.version - a.version);
  if (newest === undefined) throw new CliError(`${group} has no approved version: approve one with \`penstock approve ${group}/1\``);
  return newest;
}

/** The answers of the newest completed evaluation of all these models on the set. */
async function answersOf(client: Client, set: string, versions: readonly VersionBody[]): Promise<AnsweredSet> {
  const names = versions.map(({ name }) => name);
  const evaluations = await client.all<EvaluationBody>('/evaluations');
  const found = evaluations.find(
    (each) =>
      each.set.name.toLowerCase() === set.toLowerCase() &&
      each.state === 'Completed' &&
      names.every((name) => each.models.some(({ model, state }) => model === name && state === 'Completed')),
  );
  if (found === undefined)
    throw new CliError(
      `no evaluation of all of ${names.join(', ')} on the set ${set}: run \`penstock evaluate ${names.join(' ')} --set ${set}\` (models that have answered it do not run again)`,
    );
  const [header = [], ...rows] = parseCsv(await client.text('GET', `/evaluations/${pathSegment(found.id)}/rows`, {}));
  const classes = new Map<string, number>();
  const classOf = (text: string): number => {
    const known = classes.get(text);
    if (known !== undefined) return known;
    classes.set(text, classes.size);
    return classes.size - 1;
  };
  const column = (name: string): number => header.indexOf(name);
  return {
    labels: Int32Array.from(rows, (row) => classOf(row[column('label')] ?? '')),
    models: versions.map((version) => {
      const [prediction, unsureness] = [column(`${version.name}.prediction`), column(`${version.name}.unsureness`)];
      return {
        version,
        // A row without an answer is wrong in any case.
        predictions: Int32Array.from(rows, (row) => (row[prediction] === '' ? -1 : classOf(row[prediction] ?? ''))),
        unsureness: Float64Array.from(rows, (row) => (row[unsureness] === '' ? Number.NaN : Number(row[unsureness]))),
      };
    }),
  };
}

async function candidateOf(
  client: Client,
  { version, predictions, unsureness }: AnsweredSet['models'][number],
  objective: Objective,
  requestedType: string | undefined,
): Promise<{ readonly model: SelectableModel; readonly profile: SimulatedProfile; readonly usdPerHour: number }> {
  const profile = await measuredProfile(client, version.group, version.version);
  const type = requestedType === undefined ? profile.types[0] : profile.types.find(({ name }) => name === requestedType);
  if (type === undefined)
    throw new CliError(
      `${version.name} has no profile on ${requestedType ?? 'any instance type'}: run \`penstock profile ${version.name}\``,
    );
  const hasScores = !Number.isNaN(unsureness[0]);
  const model: SelectableModel = {
    name: version.name,
    predictions,
    unsureness: hasScores && version.batchable ? unsureness : null,
    ...serviceTimes(type.service, version.batchable, objectiveShare(objective)),
    workerKey: workerKeyOf(version),
  };
  return { model, profile, usdPerHour: type.usdPerHour };
}

function fleetOf(
  { instances, scaling, leadMs, instancesMax, functionBatchMax }: SelectionContext,
  profile: SimulatedProfile,
): FleetRequest {
  if (instances !== undefined) return { kind: 'fixed', instances };
  const near = profile.functions.toSorted(
    (a, b) => Math.abs(a.memoryMiB - functionMemoryMiB) - Math.abs(b.memoryMiB - functionMemoryMiB),
  )[0];
  const functions = {
    prices: profile.functionPrices,
    memoryMiB: functionMemoryMiB,
    coldMs: near?.coldMs ?? coldMsDefault,
    keepAliveMs,
    batchSizeMax: functionBatchMax,
  };
  return { kind: 'elastic', scaling, leadMs: leadMs ?? leadMsDefault, instancesMin: 1, instancesMax, functions };
}

export function selectionResultsText(results: readonly SelectionSimulationResult[]): string {
  const percent = (value: number): string => `${(100 * value).toFixed(2)} %`;
  const shares = ({ shares: all }: SelectionSimulationResult): string =>
    all.map(({ plan, share }) => `${plan} ${(100 * share).toFixed(1)} %`).join(', ');
  return table(results, [
    { title: 'POLICY', cell: ({ policy }) => policy },
    { title: 'COST/M', cell: ({ costUsdPerMillion }) => formatUsd(costUsdPerMillion), align: 'right' },
    { title: 'WITHIN', cell: ({ attainment }) => percent(attainment), align: 'right' },
    { title: 'ACCURACY', cell: ({ accuracy }) => accuracy.toFixed(4), align: 'right' },
    { title: 'RIGHT IN TIME', cell: ({ rightInTime }) => percent(rightInTime), align: 'right' },
    { title: 'P95', cell: ({ p95Ms }) => (p95Ms === null ? '' : formatMsText(p95Ms)), align: 'right' },
    { title: 'OVERFLOW', cell: ({ overflowShare }) => percent(overflowShare), align: 'right' },
    { title: 'SHARES', cell: shares },
  ]);
}
