/** `penstock deploy`: registers, approves and deploys a model, and waits until its endpoint is in service. */
import { type Command, Option } from 'commander';
import type { EndpointBody, VersionBody } from '../../../api/index.ts';
import { messageOf } from '../../../errors.ts';
import { captureFields, endpointFields, instanceFields, modelFields, type OptionValues, scalingFields } from '../../../fields/index.ts';
import { checkName, formatObjective, parseDurationMs, parseObjective } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError, ServerError } from '../../cli-error.ts';
import { type Client, pathSegment } from '../../client/client.ts';
import { ifFound } from '../../client/if-found.ts';
import { inService } from '../../client/in-service.ts';
import { awaitVerdict } from '../../client/verdict.ts';
import { checkSameSignature } from '../../models/check-signature.ts';
import { type ModelSource, nameFor, readSource, registerSource, versionUrlPath } from '../../models/model-source.ts';
import { approvedVersions, selectionOffer } from '../../models/selection-offer.ts';
import { takesBytes } from '../../models/takes-bytes.ts';
import { type CaptureOptions, captureSettings } from '../../options/capture-options.ts';
import { addFieldOptions, requestedFields } from '../../options/field-options.ts';
import { inFlags } from '../../options/format-flags.ts';
import { addProcessOptions, checkProcessOptions, type ProcessOptions } from '../../options/process-options.ts';
import {
  addPythonOptions,
  checkPythonOptions,
  opened,
  type PythonOptions,
  requestOption,
  sendSample,
} from '../../options/python-options.ts';
import { addRolloutOptions, type RolloutOptions, rolloutOf, watchedMs } from '../../options/rollout-options.ts';
import { checkScalingOptions, minimumText, type ScalingOptions, scalingBodyFrom } from '../../options/scaling-options.ts';
import { addServedSelectionOptions, type SelectionOptions, selectionBodyFrom } from '../../options/selection-options.ts';
import {
  addServerlessOptions,
  capacityBodyFrom,
  checkFunctionOptions,
  checkServerlessOptions,
  removedSettingsText,
  type ServerlessOptions,
} from '../../options/serverless-options.ts';
import { countText } from '../../output/format.ts';
import { Progress } from '../../output/progress.ts';
import { type CommonOptions, parsedBy, type VerbSession, verb } from '../../verb.ts';
import { decideApproval } from '../models/approve.ts';

export interface DeployOptions
  extends CommonOptions,
    ServerlessOptions,
    ScalingOptions,
    ProcessOptions,
    PythonOptions,
    CaptureOptions,
    RolloutOptions,
    SelectionOptions,
    OptionValues<typeof modelFields>,
    OptionValues<typeof endpointFields> {
  readonly group?: string;
  /** null removes it. */
  readonly objective?: string | null;
  readonly approve: boolean;
  /** Milliseconds. */
  readonly timeout: number;
  readonly wait: boolean;
  readonly allowSignatureChange?: boolean;
}

export function addDeploy(program: Command, context: CliContext): void {
  verb(program, context, 'deploy <model> [endpoint]', 'deploy a file, a folder, GROUP/VERSION, catalogue:NAME or --select to an endpoint')
    .with(addOptions)
    .runs(async (session, options: DeployOptions, model: string, named: string | undefined) => {
      checkServerlessOptions(options);
      const selection = selectionBodyFrom(options);
      if (selection !== undefined) {
        if (named !== undefined)
          throw new CliError(`--select names the models: expected only the endpoint, got '${model}' and '${named}'`, 2);
        checkEndpointName(model);
        const view = await deploySelection(session, model, selection, options);
        session.print(view, `${summary(session, view, null)}\n`);
        return 0;
      }
      checkEndpointName(named);
      const source = await readSource(model, { registersOnly: false, image: options.image });
      checkProcessOptions(options, source);
      await checkPythonOptions(options, source);
      if (source.kind === 'version' && options.group !== undefined) {
        throw new CliError(`${model} is already registered: remove --group, or name a file`, 2);
      }
      const endpoint = named ?? nameFor(source);
      const view = await deploy(session, source, endpoint, options);
      const served = view.variants[0]?.model;
      const version = served === undefined ? null : await (await session.client()).get<VersionBody>(versionUrlPath(served));
      session.print(view, `${summary(session, view, version)}\n`);
      const offer = served === undefined || view.selection !== null || session.wantsJson ? null : await offerOf(session, served, view);
      if (offer !== null) session.remark(offer);
      return 0;
    });
}

/** A remark that a selection would cost less, if one is known. Only for an endpoint with one variant. */
async function offerOf(session: VerbSession, model: string, view: EndpointBody): Promise<string | null> {
  return view.variants.length === 1 ? selectionOffer(await session.client(), model, view) : null;
}

/** In groups, in the order in which a user meets them: the model first, waiting last. */
function addOptions(command: Command): void {
  command
    .optionsGroup('Model:')
    .option(
      '--group <group>',
      'the model group to register a file in (default: the endpoint name)',
      parsedBy((text) => checkName('group', text)),
    )
    .option('--approve', 'approve the version if it is pending approval', false)
    .option('--allow-signature-change', 'update even if the new version has other inputs or outputs', false);
  addProcessOptions(command);
  addPythonOptions(command);
  addFieldOptions(command, modelFields);
  addServedSelectionOptions(command.optionsGroup('Selection of models:'));
  command.optionsGroup('Requests:').option(
    '--objective <objective>',
    "latency objective such as 'p95<=50ms', or none (default: none)",
    parsedBy((text) => (text === 'none' ? null : formatObjective(parseObjective(text)))),
  );
  addFieldOptions(command, endpointFields);
  addFieldOptions(command.optionsGroup('Instances:'), instanceFields);
  addFieldOptions(command, scalingFields);
  addServerlessOptions(command.optionsGroup('Functions:'));
  addRolloutOptions(command.optionsGroup('Watched updates:'));
  addFieldOptions(command.optionsGroup('Capture of inputs and outputs:'), captureFields);
  command
    .optionsGroup('Waiting:')
    .addOption(
      new Option('--timeout <duration>', 'how long to wait until the endpoint is in service')
        .argParser(parsedBy(parseDurationMs))
        .default(60_000, '60s'),
    )
    .option('--no-wait', 'return without waiting')
    .addHelpText('after', helpText);
}

const helpText = `
The endpoint is named after the file unless a name is given, with _ replaced by -. Defaults apply to new endpoints: an existing one
keeps the settings that are not given.

Examples:
  Register, approve and serve a file
    penstock deploy model.onnx digits --approve --objective 'p95<=50ms'
  Scale the instances with the load, and let functions take what they cannot finish in time
    penstock deploy digits/1 digits --scaling economic --max-instances 3 --overflow functions
  Serve the cheapest plan of several models that is proven right in 97 % of cases, and better ones while there is time
    penstock deploy digits --select digits-mlp,digits-cnn --evaluation holdout --accuracy '>=0.97' --objective 'p95<=50ms'
  Give a new version 10 % of the traffic for five minutes first, and roll back if it does worse
    penstock deploy digits/2 digits --canary 10% --watch 5m`;

function checkEndpointName(name: string | undefined): void {
  try {
    if (name !== undefined) checkName('endpoint', name);
  } catch (error) {
    throw new CliError(messageOf(error), 2);
  }
}

/**
 * Everything that `penstock deploy FILE ENDPOINT` does after its options were parsed. Problems that the server names by members of its API
 * are reported by the flags that set them.
 */
export async function deploy(session: VerbSession, source: ModelSource, endpoint: string, options: DeployOptions): Promise<EndpointBody> {
  const client = await session.client();
  const progress = new Progress(session.context);
  try {
    const before = await existing(client, endpoint);
    const rollout = rolloutOf(options, before);
    checkFunctionOptions(options, before?.variants[0]);
    checkScalingOptions(options, before?.variants[0]);
    checkOneVariant(before);
    const { version: found } = await registerSource(client, progress, source, options.group ?? endpoint, {
      image: options.image,
      env: options.env,
      environment: options.environment,
      inputs: options.input,
      reuse: true,
    });
    if (options.sample !== undefined && found.python?.state === 'registered') await sendSample(client, found, options.sample);
    const version = await approved(client, progress, found, before, { ...options, context: session.context });
    progress.stage('endpoint', `${endpoint}: ${version.name}`);
    const view =
      before === null ? await create(client, endpoint, version, options) : await update(client, before, version, { options, rollout });
    progress.done(`${endpoint}: ${resultText(before, view, version, rollout)}`);
    const lost = removedSettingsText(options, before?.variants[0]);
    if (lost !== null) session.remark(lost);
    const minimum = minimumText(options, before?.variants[0], view.variants[0]);
    if (minimum !== null) session.remark(minimum);
    if (!options.wait) return view;
    const served = await inService(session, client, progress, view, options.timeout + watchedMs(view));
    if (takesBytes(version)) return served; // not measured in advance: only its users know valid requests
    const { view: decided, pending } = await awaitVerdict(session, client, progress, served);
    if (pending !== null) session.remark(pending);
    return decided;
  } catch (error) {
    progress.fail();
    throw error instanceof ServerError ? new ServerError(error.status, error.code, inFlags(error.message)) : error;
  }
}

/**
 * The signature is checked before the version is approved, so a mistake leaves it pending. The signature of a Python model is known only
 * once it was opened: then it is checked again.
 */
async function approved(
  client: Client,
  progress: Progress,
  version: VersionBody,
  before: EndpointBody | null,
  { context, ...options }: DeployOptions & { readonly context: CliContext },
): Promise<VersionBody> {
  if (version.approval === 'Approved') return version;
  if (version.approval === 'Rejected') {
    const why = version.approval_note === null ? '' : ` (${version.approval_note})`;
    throw new CliError(
      `${version.name} was rejected by ${version.approval_changed_by ?? 'an unknown user'}${why}: deploy another version, or run \`penstock approve ${version.name}\` first`,
    );
  }
  if (before !== null && options.allowSignatureChange !== true) await checkSameSignature(client, before, version);
  if (!options.approve) {
    throw new CliError(
      `${version.name} is ${version.approval}: only approved versions can be deployed. Run \`penstock approve ${version.name}\` ` +
        'and try again, or add --approve',
    );
  }
  progress.stage('approve', version.name);
  const decided = await decideApproval(client, version.name, 'Approved', { accepts: options.acceptImports });
  const open = await opened(client, progress, context, decided);
  if (before !== null && options.allowSignatureChange !== true) await checkSameSignature(client, before, open);
  return open;
}

/** The options describe one variant, so they cannot say which of several they mean. */
function checkOneVariant(before: EndpointBody | null): void {
  if (before === null || before.variants.length <= 1) return;
  throw new CliError(
    `endpoint ${before.name} has ${before.variants.length} variants: change it with PATCH /api/v1/endpoints/${before.name}, or deploy to another endpoint`,
  );
}

/** Null if there is no such endpoint: then it is created. */
function existing(client: Client, endpoint: string): Promise<EndpointBody | null> {
  return ifFound(client.get<EndpointBody>(`/endpoints/${pathSegment(endpoint)}`));
}

/** Deploys plans of several models. Their evaluation must exist. */
async function deploySelection(
  session: VerbSession,
  endpoint: string,
  selection: Record<string, unknown>,
  options: DeployOptions,
): Promise<EndpointBody> {
  const client = await session.client();
  const progress = new Progress(session.context);
  try {
    const before = await existing(client, endpoint);
    checkFunctionOptions(options, before?.variants[0]);
    checkScalingOptions(options, before?.variants[0]);
    checkOneVariant(before);
    progress.stage('selection', endpoint);
    const [only = '', ...more] = options.select ?? [];
    // One group offers its versions.
    const versions = more.length === 0 && !only.includes('/') ? await approvedVersions(client, only) : [];
    const candidates = versions.length === 0 ? options.select : versions;
    const [variant] = before?.variants ?? [];
    const json = {
      ...settings(options),
      ...captureSettings(options, before?.capture ?? null),
      selection: { ...selection, candidates },
      variants: [
        {
          ...(variant === undefined ? {} : { name: variant.name }),
          ...capacityBodyFrom(options, variant),
          ...scalingBodyFrom(options, variant),
        },
      ],
    };
    const change = options.allowSignatureChange === true ? { ...json, allow_signature_change: true } : json;
    const view =
      before === null
        ? await client.post<EndpointBody>('/endpoints', { json: { name: endpoint, ...json } })
        : await client.patch<EndpointBody>(`/endpoints/${pathSegment(endpoint)}`, { json: change });
    progress.done(`${endpoint}: ${view.selection?.state ?? ''}, ${countText(view.selection?.ladder.length ?? 0, 'plan')}`);
    return options.wait ? await inService(session, client, progress, view, options.timeout + watchedMs(view)) : view;
  } catch (error) {
    progress.fail();
    throw error instanceof ServerError ? new ServerError(error.status, error.code, inFlags(error.message)) : error;
  }
}

/** Only the settings that the user gave. The server chooses or keeps the rest. */
function settings(options: DeployOptions): Record<string, unknown> {
  return {
    ...requestedFields(endpointFields, options),
    ...(options.objective === undefined ? {} : { objective: options.objective }),
  };
}

function create(client: Client, name: string, version: VersionBody, options: DeployOptions): Promise<EndpointBody> {
  return client.post<EndpointBody>('/endpoints', {
    json: {
      name,
      ...settings(options),
      ...captureSettings(options, null),
      variants: [
        {
          model: version.name,
          ...requestedFields(modelFields, options),
          ...capacityBodyFrom(options, undefined),
          ...scalingBodyFrom(options, undefined),
        },
      ],
    },
  });
}

/** The variant keeps its name and all settings without an option. */
function update(
  client: Client,
  before: EndpointBody,
  version: VersionBody,
  { options, rollout }: { readonly options: DeployOptions; readonly rollout: Record<string, unknown> },
): Promise<EndpointBody> {
  const [variant] = before.variants;
  const named = variant === undefined ? {} : { name: variant.name };
  return client.patch<EndpointBody>(`/endpoints/${pathSegment(before.name)}`, {
    json: {
      ...settings(options),
      ...captureSettings(options, before.capture),
      ...rollout,
      ...(options.allowSignatureChange === true ? { allow_signature_change: true } : {}),
      variants: [
        {
          ...named,
          model: version.name,
          ...requestedFields(modelFields, options),
          ...capacityBodyFrom(options, variant),
          ...scalingBodyFrom(options, variant),
        },
      ],
    },
  });
}

/** The result. A new generation means that the desired state changed. */
function resultText(before: EndpointBody | null, view: EndpointBody, { name }: VersionBody, rollout: Record<string, unknown>): string {
  if (before === null) return `created for ${name}`;
  if (view.generation !== before.generation) return `updated for ${name}`;
  if (view.status !== 'InService') return `is already being updated to ${name}: nothing was changed`;
  return `already serves ${name}: nothing was changed${'rollout' in rollout ? ', so there is nothing to watch' : ''}`;
}

/** `certified for accuracy >= 0.97: digits-mlp/1>digits-cnn/1@0.03 to digits-cnn/1` */
function selectionSummary({ state, floor, floor_plan: floorPlan, top_plan: top }: NonNullable<EndpointBody['selection']>): string {
  const promise = floor === null ? state : `${state} for accuracy >= ${floor}`;
  return `${promise}: ${floorPlan}${top === floorPlan ? '' : ` to ${top}`}`;
}

/** The endpoint's reason without that of an earlier rollback. For a rollback of this update, `inService` throws. */
function reasonNow({ reason, rollout }: EndpointBody): string | null {
  if (reason === null || rollout?.state !== 'rolled-back') return reason;
  const rolledBack = `the update was rolled back: ${rollout.reason}`;
  if (reason === rolledBack) return null;
  return reason.endsWith(`; ${rolledBack}`) ? reason.slice(0, -`; ${rolledBack}`.length) : reason;
}

function summary(session: VerbSession, view: EndpointBody, version: VersionBody | null): string {
  const models =
    view.selection !== null
      ? selectionSummary(view.selection)
      : view.variants
          .map(
            ({ model, functions, instance_count: count }) =>
              `${model}${functions === null ? '' : count > 0 ? ', with overflow to functions' : ', serverless'}`,
          )
          .join(', ');
  const objective = view.objective === null ? '' : `, ${view.objective}`;
  const call =
    view.status === 'InService'
      ? `: call it with \`penstock invoke ${view.name} ${requestOption(version)}\``
      : `: see \`penstock describe ${view.name}\``;
  const reason = reasonNow(view);
  const remarks = reason === null ? view.notes : [reason, ...view.notes];
  return [`${view.name} is ${session.style.state(view.status)} (${models}${objective})${call}`, ...remarks].join('\n');
}
