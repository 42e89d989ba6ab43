/** `penstock deploy`: from a file to an endpoint in service, stage by stage. */
import { type Command, Option } from 'commander';
import type { EndpointBody, VariantBody, VersionBody } from '../../api/index.ts';
import { messageOf } from '../../errors.ts';
import { checkName, formatObjective, parseDurationMs, parseObjective } from '../../objective.ts';
import { addCaptureOptions, type CaptureOptions, captureSettings } from '../capture-options.ts';
import { type Client, part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { Failure, Refusal } from '../failure.ts';
import { inFlags } from '../flag-words.ts';
import { inService } from '../in-service.ts';
import { type ModelSource, nameFor, readSource, registerSource } from '../model-source.ts';
import { addProcessOptions, checkProcessOptions, type ProcessOptions } from '../process-options.ts';
import { Progress } from '../progress.ts';
import { addRolloutOptions, type RolloutOptions, rolloutOf, watchedMs } from '../rollout-options.ts';
import { checkSignature } from '../same-signature.ts';
import { addScalingOptions, checkScalingOptions, type ScalingOptions, scalingOf } from '../scaling-options.ts';
import {
  addServerlessOptions,
  capacityOf,
  checkFunctionsWanted,
  checkServerlessOptions,
  lostWithFunctions,
  type ServerlessOptions,
} from '../serverless-options.ts';
import { type CommonOptions, parsedBy, type Session, verb, wholeNumber } from '../verb.ts';
import { verdictOn } from '../verdict.ts';
import { decide } from './approve.ts';

export interface DeployOptions extends CommonOptions, ServerlessOptions, ScalingOptions, ProcessOptions, CaptureOptions, RolloutOptions {
  readonly name?: string;
  readonly group?: string;
  /** null takes it away. */
  readonly objective?: string | null;
  readonly late?: 'serve' | 'shed';
  readonly requestTimeout?: number;
  readonly startTimeout?: number;
  readonly approve: boolean;
  /** Milliseconds. */
  readonly timeout: number;
  readonly wait: boolean;
  readonly allowSignatureChange?: boolean;
}

export function addDeploy(program: Command, doors: Doors): void {
  const name = (what: string) => parsedBy((text) => checkName(what, text));
  verb(program, doors, 'deploy <model> [endpoint]', 'deploy FILE.onnx, GROUP/VERSION or catalogue:NAME to an endpoint')
    .with((command) => {
      command
        .option('--name <endpoint>', 'the endpoint, if not given above (default: the file name with - for _)', name('endpoint'))
        .option('--group <group>', 'the model group to register in (default: the name)', name('group'))
        .option(
          '--objective <promise>',
          "such as 'p95<=50ms', or none (a new endpoint has none unless given)",
          parsedBy((text) => (text === 'none' ? null : formatObjective(parseObjective(text)))),
        )
        .option('--instances <number>', 'how many workers (default: 1)', wholeNumber(1, 64))
        .option('--instance-type <type>', 'their type (default: local.1)')
        .addOption(
          new Option('--late <what>', 'a request that cannot keep the objective: serve it late, or shed it').choices(['serve', 'shed']),
        )
        .option('--request-timeout <duration>', 'the longest a request may take, such as 2s', parsedBy(parseDurationMs))
        .option('--allow-signature-change', 'update also where the new version takes or gives other tensors', false)
        .option('--approve', 'approve the version, if it waits for that', false)
        .addOption(
          new Option('--timeout <duration>', 'how long to wait until it is in service')
            .argParser(parsedBy(parseDurationMs))
            .default(60_000, '60s'),
        )
        .option('--no-wait', 'do not wait');
      addScalingOptions(command);
      addServerlessOptions(command);
      addProcessOptions(command);
      addCaptureOptions(command);
      addRolloutOptions(command);
      command.option('--start-timeout <duration>', 'what its process has to start (default: 4m)', parsedBy(parseDurationMs));
      command.addHelpText('after', '\nDefaults are those of a new endpoint: one that is there keeps what is not given.');
    })
    .runs(async (session, options: DeployOptions, model: string, given: string | undefined) => {
      checkServerlessOptions(options);
      const named = endpointNamed(given, options.name);
      const source = await readSource(model, { registersOnly: false, image: options.image });
      checkProcessOptions(options, source);
      if (source.kind === 'version' && options.group !== undefined) {
        throw new Failure(`${model} is registered already: leave out --group, or name a file`, 2);
      }
      const endpoint = named ?? nameFor(source);
      const view = await deploy(session, source, endpoint, options);
      session.print(view, `${summary(session, view)}\n`);
      return 0;
    });
}

function endpointNamed(given: string | undefined, option: string | undefined): string | undefined {
  if (given === undefined) return option;
  if (option !== undefined && option !== given) throw new Failure(`the endpoint is called ${given} and ${option}: leave out --name`, 2);
  try {
    return checkName('endpoint', given);
  } catch (error) {
    throw new Failure(messageOf(error), 2);
  }
}

export async function deploy(session: Session, source: ModelSource, endpoint: string, options: DeployOptions): Promise<EndpointBody> {
  const client = await session.client();
  const progress = new Progress(session.doors);
  try {
    const before = await existing(client, endpoint);
    const rollout = rolloutOf(options, before);
    checkFunctionsWanted(options, before?.variants[0]);
    checkScalingOptions(options, before?.variants[0]);
    checkOneVariant(before);
    const { version: found } = await registerSource(client, progress, source, options.group ?? endpoint, {
      image: options.image,
      env: options.env,
      reuse: true,
    });
    const version = await approved(client, progress, found, before, options);
    progress.stage('endpoint', `${endpoint}: ${version.name}`);
    const view =
      before === null ? await create(client, endpoint, version, options) : await update(client, before, version, { options, rollout });
    progress.done(`${endpoint}: ${becameText(before, view, version, rollout)}`);
    const lost = lostWithFunctions(options, before?.variants[0]);
    if (lost !== null) session.remark(lost);
    if (!options.wait) return view;
    const served = await inService(session, client, progress, view, options.timeout + watchedMs(view));
    if (version.runtime.kind === 'process') return served; // nobody can measure it beforehand
    const { view: judged, isOpen } = await verdictOn(session, client, progress, served);
    if (isOpen !== null) session.remark(isOpen);
    return judged;
  } catch (error) {
    progress.fail();
    throw error instanceof Refusal ? new Refusal(error.status, error.code, inFlags(error.message)) : error;
  }
}

async function approved(
  client: Client,
  progress: Progress,
  version: VersionBody,
  before: EndpointBody | null,
  options: DeployOptions,
): Promise<VersionBody> {
  if (version.approval === 'Approved') return version;
  if (version.approval === 'Rejected') {
    const why = version.approval_note === null ? '' : ` (${version.approval_note})`;
    throw new Failure(
      `${version.name} was rejected by ${version.approval_changed_by ?? 'somebody'}${why}: deploy another version, or run \`penstock approve ${version.name}\` first`,
    );
  }
  if (before !== null && options.allowSignatureChange !== true) await checkSignature(client, before, version);
  if (!options.approve) {
    throw new Failure(
      `${version.name} is ${version.approval}, and only approved versions deploy: run \`penstock approve ${version.name}\`, ` +
        'then this again; or add --approve if you may',
    );
  }
  progress.stage('approve', version.name);
  return decide(client, version.name, 'Approved');
}

function checkOneVariant(before: EndpointBody | null): void {
  if (before === null || before.variants.length <= 1) return;
  throw new Failure(
    `endpoint ${before.name} has ${before.variants.length} variants: change it with PATCH /api/v1/endpoints/${before.name}, or deploy under another --name`,
  );
}

async function existing(client: Client, endpoint: string): Promise<EndpointBody | null> {
  try {
    return await client.get<EndpointBody>(`/endpoints/${part(endpoint)}`);
  } catch (error) {
    if (error instanceof Refusal && error.code === 'not_found') return null;
    throw error;
  }
}

/** What the user said about the endpoint, and nothing else: the rest is the server's to decide or to keep. */
function settings(options: DeployOptions): Record<string, unknown> {
  return {
    ...(options.objective === undefined ? {} : { objective: options.objective }),
    ...(options.late === undefined ? {} : { late: options.late }),
    ...(options.requestTimeout === undefined ? {} : { timeout_ms: options.requestTimeout }),
  };
}

function create(client: Client, name: string, version: VersionBody, options: DeployOptions): Promise<EndpointBody> {
  return client.post<EndpointBody>('/endpoints', {
    json: {
      name,
      ...settings(options),
      ...captureSettings(options, null),
      variants: [
        { model: version.name, ...startOf(options, undefined), ...capacityOf(options, undefined), ...scalingOf(options, undefined) },
      ],
    },
  });
}

function update(
  client: Client,
  before: EndpointBody,
  version: VersionBody,
  { options, rollout }: { readonly options: DeployOptions; readonly rollout: Record<string, unknown> },
): Promise<EndpointBody> {
  const [variant] = before.variants;
  const kept = variant === undefined ? {} : { name: variant.name };
  return client.patch<EndpointBody>(`/endpoints/${part(before.name)}`, {
    json: {
      ...settings(options),
      ...captureSettings(options, before.capture),
      ...rollout,
      ...(options.allowSignatureChange === true ? { allow_signature_change: true } : {}),
      variants: [
        { ...kept, model: version.name, ...startOf(options, variant), ...capacityOf(options, variant), ...scalingOf(options, variant) },
      ],
    },
  });
}

function startOf({ startTimeout }: DeployOptions, before: VariantBody | undefined): Record<string, unknown> {
  const timeoutMs = startTimeout ?? before?.start_timeout_ms ?? null;
  return timeoutMs === null ? {} : { start_timeout_ms: timeoutMs };
}

/** What came of it; a generation is a change of what is wanted. */
function becameText(before: EndpointBody | null, view: EndpointBody, { name }: VersionBody, rollout: Record<string, unknown>): string {
  if (before === null) return `created for ${name}`;
  if (view.generation !== before.generation) return `updated for ${name}`;
  if (view.status !== 'InService') return `is to serve ${name} already: nothing was changed`;
  return `serves ${name} already: nothing was changed${'rollout' in rollout ? ', so there is nothing to watch' : ''}`;
}

/** Without why an earlier update was taken back: where this one is, `inService` has said so. */
function reasonNow({ reason, rollout }: EndpointBody): string | null {
  if (reason === null || rollout?.state !== 'taken-back') return reason;
  const told = `the update was taken back: ${rollout.reason}`;
  if (reason === told) return null;
  return reason.endsWith(`; ${told}`) ? reason.slice(0, -`; ${told}`.length) : reason;
}

function summary(session: Session, view: EndpointBody): string {
  const models = view.variants
    .map(
      ({ model, functions, instance_count: count }) =>
        `${model}${functions === null ? '' : count > 0 ? ', with overflow to functions' : ', serverless'}`,
    )
    .join(', ');
  const promise = view.objective === null ? '' : `, ${view.objective}`;
  const call =
    view.status === 'InService'
      ? `: call it with \`penstock invoke ${view.name} --file ROWS.csv\``
      : `: look with \`penstock describe ${view.name}\``;
  const reason = reasonNow(view);
  const remarks = reason === null ? view.notes : [reason, ...view.notes];
  return [`${view.name} is ${session.style.state(view.status)} (${models}${promise})${call}`, ...remarks].join('\n');
}
