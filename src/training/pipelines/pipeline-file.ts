/** Parses the file of a pipeline: YAML from a caller becomes a `PipelineSpec`, or an error that names the line. Pure. */
import { PlatformError } from '../../errors.ts';
import { compilePattern } from '../../event-patterns/index.ts';
import { checkName } from '../../objective.ts';
import { nextDueMs, parseSchedule } from '../../schedules/index.ts';
import { type ThreadTask, threadTask } from '../../threads/index.ts';
import { capturedRowsDefault, trainingLimits } from '../spec.ts';
import {
  type ApproveSettings,
  type DeploySettings,
  type EvaluateSettings,
  type PipelineChannel,
  type PipelineSpec,
  type PipelineTriggers,
  referencesIn,
  type TrainSettings,
  withParameters,
} from './pipeline-spec.ts';
import { readYamlMembers, type YamlMembers } from './yaml-members.ts';

const parametersMax = 50;
const parameterNamePattern = /^[A-Za-z_][\w-]{0,63}$/;
const notifyMax = 5;
const rolloutStepsMax = 20;
const alarmsMax = 10;
/** Names of runs are PIPELINE/N, and names of their jobs PIPELINE-N. */
const nameLengthMax = 50;
const watchDefaultMs = 5 * 60_000;
/** With a shorter time, pipelines that trigger each other could overload the machine. */
const atMostEveryMinMs = 60_000;
const atMostEveryDefaultMs = 3_600_000;

/** `parsePipelineFile` for a thread: 64 KiB of tabs, keys or brackets take the YAML parser up to a second. */
export const parsePipelineTask: ThreadTask<{ readonly text: string; readonly nowMs: number }, PipelineSpec> = threadTask(
  import.meta.url,
  'parsePipelineTask',
  ({ text, nowMs }) => parsePipelineFile(text, nowMs),
);

/** Throws `invalid_request` with the line, `too_large`. */
export function parsePipelineFile(text: string, nowMs: number): PipelineSpec {
  const file = readYamlMembers(text);
  const name = nameIn(file);
  const on = triggersIn(file, nowMs);
  const parameters = parametersIn(file);
  const train = file.members('train') ?? file.fail('train', 'it is missing: a pipeline begins with a training');
  const register = file.members('register');
  const group = register === null ? null : namedIn(register, 'group');
  register?.end();
  const spec: PipelineSpec = {
    name,
    on,
    parameters,
    train: trainIn(train, parameters),
    group,
    evaluate: evaluateIn(file),
    approve: approveIn(file),
    deploy: deployIn(file),
    notify: notifyIn(file),
  };
  file.end();
  checkSteps(file, spec);
  return spec;
}

function nameIn(file: YamlMembers): string {
  const name = namedIn(file, 'name', 'pipeline');
  if (name.length > nameLengthMax) file.fail('name', `expected at most ${nameLengthMax} characters, got ${name.length}`);
  return name;
}

function namedIn(members: YamlMembers, member: string, what = member): string {
  const name = members.textOf(member);
  return members.checked(member, () => checkName(what, name));
}

/** Each step needs the results of the earlier ones. */
function checkSteps(file: YamlMembers, { group, evaluate, approve, deploy }: PipelineSpec): void {
  const firstOther = (['evaluate', 'approve', 'deploy'] as const).find((step) => file.has(step));
  if (group === null && firstOther !== undefined)
    file.fail(firstOther, 'it needs a version: add register: {group: NAME}, in which the trained model becomes the next version');
  if (approve?.when === 'better' && evaluate === null)
    file.fail('approve', 'when: better needs evaluate, whose data the test is made on; or say when: manual, or always');
  if (approve?.when === 'better' && evaluate?.against === 'none')
    file.fail('approve', 'when: better needs a version to compare with, and evaluate says against: none; or say when: manual, or always');
  if (deploy !== null && approve === null) file.fail('deploy', 'it needs approve: only approved versions are deployed');
  if (evaluate?.against === 'deployed' && deploy === null)
    file.fail('evaluate', 'against: deployed needs deploy, which names the endpoint; or name a version, or say against: none');
}

function triggersIn(file: YamlMembers, nowMs: number): PipelineTriggers {
  const on = file.members('on');
  if (on === null) return { schedule: null, event: null, atMostEveryMs: atMostEveryDefaultMs };
  const schedule = on.text('schedule');
  if (schedule !== null) on.checked('schedule', () => checkSchedule(schedule, nowMs));
  const pattern = on.json('event');
  const event = pattern === null ? null : JSON.stringify(pattern);
  if (event !== null) on.checked('event', () => compilePattern(event));
  const atMostEveryMs = on.durationMs('atMostEvery') ?? atMostEveryDefaultMs;
  if (atMostEveryMs < atMostEveryMinMs)
    on.fail('atMostEvery', `expected at least ${atMostEveryMinMs / 1000}s, got ${atMostEveryMs / 1000}s`);
  on.end();
  return { schedule, event, atMostEveryMs };
}

/** Throws `invalid_request`. */
function checkSchedule(text: string, nowMs: number): void {
  if (!/^\s*(?:rate|cron)\(/.test(text))
    throw new PlatformError('invalid_request', `expected rate(1 day) or cron(0 3 ? * SUN *), in UTC, got '${text.slice(0, 80)}'`);
  if (nextDueMs(parseSchedule(text), nowMs, nowMs) === null)
    throw new PlatformError('invalid_request', `${text.slice(0, 80)} is never due`);
}

function parametersIn(file: YamlMembers): Record<string, string> {
  const members = file.members('parameters');
  if (members === null) return {};
  if (members.names.length > parametersMax) file.fail('parameters', `expected at most ${parametersMax}, got ${members.names.length}`);
  return Object.fromEntries(
    members.names.map((name) => {
      if (!parameterNamePattern.test(name)) members.fail(name, 'expected a name of letters, digits, _ and -');
      return [name, members.text(name) ?? ''];
    }),
  );
}

function trainIn(train: YamlMembers, parameters: Readonly<Record<string, string>>): TrainSettings {
  const entry = train.text('entry');
  const command = train.texts('command', trainingLimits.commandWords);
  if (entry !== null && command !== null) train.fail('command', 'expected entry or command, got both');
  const source = train.text('source');
  if (entry === null && command === null) train.fail('entry', 'it is missing: expected the script of the source that runs, or a command');
  if (entry !== null && source === null) train.fail('source', 'it is missing: expected the folder that holds the entry');
  const settings: TrainSettings = {
    source,
    entry,
    command,
    environment: train.text('environment'),
    instanceType: train.text('instanceType'),
    isSpot: train.flag('spot') ?? false,
    channels: channelsIn(train, parameters),
    hyperparameters: hyperparametersIn(train, parameters),
    metrics: metricsIn(train),
    maxRuntimeMs: train.durationMs('maxRuntime'),
    output: train.text('output'),
  };
  if (settings.output !== null) train.checked('output', () => checkOutput(settings.output ?? ''));
  train.end();
  return settings;
}

function channelsIn(train: YamlMembers, parameters: Readonly<Record<string, string>>): readonly PipelineChannel[] {
  const channels = train.members('channels');
  return (channels?.names ?? []).map((name): PipelineChannel => {
    if (channels?.isObject(name) !== true) {
      const uri = channels?.textOf(name) ?? '';
      channels?.checked(name, () => {
        checkReferences(uri, parameters);
        s3UriParts(withParameters(uri, parameters));
      });
      return { name, source: { kind: 's3', uri } };
    }
    const captured = channels.members(name) as YamlMembers;
    const endpoint = namedIn(captured, 'captured', 'endpoint');
    // Rows without a label are useless for training.
    if (captured.flag('labelled') === false) captured.fail('labelled', 'expected true: only calls with a label are rows');
    const sinceMs = captured.durationMs('since');
    const rowsMax = captured.number('rowsMax', 1, trainingLimits.capturedRows) ?? capturedRowsDefault;
    if (!Number.isInteger(rowsMax)) captured.fail('rowsMax', `expected a whole number, got ${rowsMax}`);
    captured.end();
    return { name, source: { kind: 'captured', endpoint, sinceMs, rowsMax } };
  });
}

function hyperparametersIn(train: YamlMembers, parameters: Readonly<Record<string, string>>): Record<string, string> {
  const members = train.members('hyperparameters');
  return Object.fromEntries(
    (members?.names ?? []).map((name) => {
      const text = members?.text(name) ?? '';
      members?.checked(name, () => checkReferences(text, parameters));
      return [name, text];
    }),
  );
}

function metricsIn(train: YamlMembers): { readonly name: string; readonly regex: string }[] {
  const members = train.members('metrics');
  return (members?.names ?? []).map((name) => ({ name, regex: members?.textOf(name) ?? '' }));
}

function evaluateIn(file: YamlMembers): EvaluateSettings | null {
  const evaluate = file.members('evaluate');
  if (evaluate === null) return null;
  const data = evaluate.textOf('data');
  evaluate.checked('data', () => {
    if (s3UriParts(data).prefix === '')
      throw new PlatformError('invalid_request', `expected an object, s3://bucket/key, got '${data.slice(0, 200)}'`);
    if (!/\.(?:csv|jsonl)$/i.test(data))
      throw new PlatformError('invalid_request', `expected a .csv or .jsonl file, got '${data.slice(0, 200)}'`);
    if (referencesIn(data).length > 0) throw new PlatformError('invalid_request', 'a parameter may not choose what the model is judged by');
  });
  const label = evaluate.text('label') ?? evaluate.fail('label', 'it is missing: expected the column or member with the label');
  const against = evaluate.text('against') ?? 'deployed';
  if (!/^(?:deployed|none|[A-Za-z0-9-]{1,63}\/[1-9]\d{0,8})$/.test(against))
    evaluate.fail('against', `expected deployed, none or a version such as digits/3, got '${against.slice(0, 80)}'`);
  const metric = evaluate.oneOf('metric', ['accuracy', 'rmse', 'mae']) ?? 'accuracy';
  evaluate.end();
  return { data, label, against, metric };
}

function approveIn(file: YamlMembers): ApproveSettings | null {
  const approve = file.members('approve');
  if (approve === null) return null;
  const when = approve.oneOf('when', ['better', 'manual', 'always']) ?? 'better';
  const confidence = approve.number('confidence', 0.5, 0.9999) ?? 0.95;
  const marginMin = approve.number('marginMin', 0, Number.MAX_VALUE) ?? 0;
  const unsure = approve.oneOf('unsure', ['manual', 'reject']) ?? 'manual';
  approve.end();
  return { when, confidence, marginMin, unsure };
}

function deployIn(file: YamlMembers): DeploySettings | null {
  const deploy = file.members('deploy');
  if (deploy === null) return null;
  const endpoint = namedIn(deploy, 'endpoint');
  const rollout = deploy.members('rollout');
  const steps = (rollout?.list('steps', rolloutStepsMax) ?? []).map((step) => {
    const percent = step.number('percent', 0, 100);
    if (percent === null || percent === 0) return step.fail('percent', 'expected a number above 0, up to 100');
    const watchMs = step.durationMs('watch') ?? watchDefaultMs;
    step.end();
    return { share: percent / 100, watchMs };
  });
  let last = 0;
  for (const { share } of steps) {
    if (share <= last)
      rollout?.fail('steps', `expected each step to take more than the one before, got ${100 * share} after ${100 * last}`);
    last = share;
  }
  const alarms = rollout?.texts('alarms', alarmsMax) ?? [];
  rollout?.end();
  deploy.end();
  // The last step may be left out: all requests.
  const complete = last === 1 ? steps : [...steps, { share: 1, watchMs: steps.at(-1)?.watchMs ?? watchDefaultMs }];
  return { endpoint, steps: complete, alarms };
}

function notifyIn(file: YamlMembers): readonly string[] {
  const urls = file.texts('notify', notifyMax) ?? [];
  const wrong = urls.find((url) => !/^https?:\/\//.test(url) || !URL.canParse(url));
  if (wrong !== undefined) file.fail('notify', `expected URLs, got '${wrong.slice(0, 200)}'`);
  return urls;
}

/** Throws `invalid_request`. */
function checkOutput(uri: string): void {
  s3UriParts(uri);
  if (referencesIn(uri).length > 0)
    throw new PlatformError('invalid_request', 'parameters are replaced in hyperparameters and channels only: write the prefix out');
}

/** Throws `invalid_request`. */
function checkReferences(text: string, parameters: Readonly<Record<string, string>>): void {
  for (const inner of referencesIn(text)) {
    const name = inner.replace(/^\s*parameters\./, '').trim();
    if (/^\s*parameters\./.test(inner) && Object.hasOwn(parameters, name)) continue;
    const known = Object.keys(parameters).map((each) => `\${parameters.${each}}`);
    const expected = known.length === 0 ? 'a pipeline with parameters' : `one of ${known.join(', ')}`;
    throw new PlatformError('invalid_request', `expected ${expected}, got \${${inner.slice(0, 80)}}`);
  }
}

/** The parts of `s3://bucket/prefix`. Throws `invalid_request`. */
export function s3UriParts(uri: string): { readonly bucket: string; readonly prefix: string } {
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(uri) ?? [];
  if (bucket !== undefined) return { bucket, prefix };
  throw new PlatformError('invalid_request', `expected s3://bucket/prefix, got '${uri.slice(0, 200)}'`);
}
