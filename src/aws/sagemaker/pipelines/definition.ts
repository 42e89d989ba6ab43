/**
 * The definition of a SageMaker pipeline, version 2020-12-01, as SDKs write it: parameters and steps. What is not served is rejected by name
 * when the pipeline is created. Pure.
 */
import { parseJsonWithin } from '../../../codecs/index.ts';
import { messageOf } from '../../../errors.ts';
import { AwsError } from '../../service.ts';
import { checkConditions } from './conditions.ts';
import { stepReferencesIn } from './references.ts';

/** A value of a pipeline's parameter. Numbers stay numbers, so that steps get them as such. */
export type ParameterValue = string | number | boolean;

/** A parameter that steps can refer to. */
export interface PipelineParameter {
  readonly name: string;
  readonly type: 'String' | 'Integer' | 'Float' | 'Boolean';
  /** Null: each execution must give one. */
  readonly otherwise: ParameterValue | null;
  readonly allowed: readonly ParameterValue[] | null;
}

/** The types that are served; other types of AWS are rejected when the pipeline is created. */
export const stepTypes = ['Training', 'Processing', 'Transform', 'Tuning', 'Model', 'RegisterModel', 'Condition', 'Fail'] as const;
export type StepType = (typeof stepTypes)[number];

/** A step, also within a branch of a condition. */
export interface GraphStep {
  readonly name: string;
  readonly type: StepType;
  /** The request of the step's operation, with references. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Steps that come before, by `DependsOn` and by references. */
  readonly after: readonly string[];
  readonly propertyFiles: readonly { readonly name: string; readonly output: string; readonly path: string }[];
  /** How long a result of the same arguments may be used again; null: never. */
  readonly cacheMs: number | null;
  readonly displayName: string | null;
  readonly description: string | null;
  /** The condition whose outcome decides whether the step runs; null: none. */
  readonly branch: { readonly condition: string; readonly outcome: boolean } | null;
}

/** A definition that passed its checks: names are unique, and steps form no cycle. */
export interface PipelineDefinition {
  readonly parameters: readonly PipelineParameter[];
  /** With those of all branches. */
  readonly steps: readonly GraphStep[];
}

const limits = { depthMax: 64, valuesMax: 20_000, nodesMax: 40_000 };
const stepsMax = 500;
const parametersMax = 200;
const stepNamePattern = /^[A-Za-z0-9\-_]{1,64}$/;
const topMembers = ['Version', 'Metadata', 'Parameters', 'PipelineExperimentConfig', 'Steps'];
const stepMembers = ['Name', 'Type', 'Arguments', 'DependsOn', 'PropertyFiles', 'CacheConfig', 'DisplayName', 'Description'];
const minuteMs = 60_000;
const durationPattern = /^P(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?$/i;

type Json = Readonly<Record<string, unknown>>;

/** Throws `ValidationException`. */
export function parseDefinition(text: string): PipelineDefinition {
  let parsed: unknown;
  try {
    parsed = parseJsonWithin(text, limits);
  } catch (error) {
    throw invalid(`PipelineDefinition is not JSON: ${messageOf(error).slice(0, 300)}`);
  }
  const document = objectOf(parsed, 'PipelineDefinition');
  if (document['Version'] !== '2020-12-01')
    throw invalid(`Version ${JSON.stringify(document['Version'])} is not supported: expected "2020-12-01".`);
  checkMembers(document, topMembers, 'PipelineDefinition');
  const parameters = listOf(document['Parameters'] ?? [], 'Parameters').map(parameterOf);
  if (parameters.length > parametersMax) throw invalid(`${parameters.length} Parameters: expected at most ${parametersMax}`);
  checkUnique(
    parameters.map(({ name }) => name),
    'parameters',
  );
  const steps = stepsOf(document['Steps'], null);
  if (steps.length === 0) throw invalid('Steps is empty: expected at least one step');
  if (steps.length > stepsMax) throw invalid(`${steps.length} steps: expected at most ${stepsMax}`);
  checkUnique(
    steps.map(({ name }) => name),
    'steps',
  );
  const definition = { parameters, steps };
  checkGraph(definition);
  return definition;
}

function parameterOf(value: unknown): PipelineParameter {
  const { Name: name, Type: type, DefaultValue: otherwise = null, EnumValues: allowed = null, ...rest } = objectOf(value, 'a parameter');
  if (typeof name !== 'string' || !/^[A-Za-z0-9\-_]{1,256}$/.test(name)) throw invalid(`invalid name of a parameter ${shown(name)}`);
  checkMembers(rest, [], `parameter '${name}'`);
  if (type !== 'String' && type !== 'Integer' && type !== 'Float' && type !== 'Boolean')
    throw invalid(`parameter '${name}' has the type ${shown(type)}: expected String, Integer, Float or Boolean`);
  const parameter = { name, type, allowed: null } as const;
  const values = allowed === null ? null : listOf(allowed, `EnumValues of parameter '${name}'`).map((each) => valueOf(parameter, each));
  return { name, type, otherwise: otherwise === null ? null : valueOf({ ...parameter, allowed: values }, otherwise), allowed: values };
}

/** A value of a parameter, also as StartPipelineExecution sends it: as text. Throws `ValidationException`. */
export function valueOf({ name, type, allowed }: Omit<PipelineParameter, 'otherwise'>, value: unknown): ParameterValue {
  const read = typed(type, value);
  if (read === null) throw invalid(`parameter '${name}' is ${shown(value)}: expected a value of the type ${type}`);
  if (allowed !== null && !allowed.includes(read))
    throw invalid(`parameter '${name}' is ${shown(value)}: expected one of ${allowed.join(', ')}`);
  return read;
}

function typed(type: PipelineParameter['type'], value: unknown): ParameterValue | null {
  if (type === 'String') return typeof value === 'string' ? value : null;
  if (type === 'Boolean') return typeof value === 'boolean' ? value : ({ true: true, false: false }[String(value).toLowerCase()] ?? null);
  const isNumber = typeof value === 'number' || (typeof value === 'string' && /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(value));
  const number = isNumber ? Number(value) : Number.NaN;
  const isGood = type === 'Integer' ? Number.isSafeInteger(number) : Number.isFinite(number);
  return isGood ? number : null;
}

function stepsOf(value: unknown, branch: GraphStep['branch']): GraphStep[] {
  return listOf(value ?? [], 'Steps').flatMap((each) => stepOf(objectOf(each, 'a step'), branch));
}

/** A step, and those of its branches if it is a condition. */
function stepOf(step: Json, branch: GraphStep['branch']): GraphStep[] {
  const { Name: name, Type: type, DisplayName: displayName = null, Description: description = null } = step;
  if (typeof name !== 'string' || !stepNamePattern.test(name)) throw invalid(`invalid name of a step ${shown(name)}`);
  const at = `step '${name}'`;
  const known = stepTypes.find((each) => each === type);
  if (known === undefined)
    throw invalid(`${at} has the type ${shown(type)}, which is not supported: expected one of ${stepTypes.join(', ')}.`);
  checkMembers(step, stepMembers, at);
  const { IfSteps: ifSteps, ElseSteps: elseSteps, ...own } = objectOf(step['Arguments'] ?? {}, `Arguments of ${at}`);
  if (known === 'Condition') checkConditions(own, at);
  else if (ifSteps !== undefined || elseSteps !== undefined) throw invalid(`${at} has IfSteps or ElseSteps: only a Condition has them`);
  if (known === 'Fail') checkMembers(own, ['ErrorMessage'], `Arguments of ${at}`);
  const needed = stepReferencesIn(own, at).flatMap(({ step: other }) => (other === null ? [] : [other]));
  const depends = listOf(step['DependsOn'] ?? [], `DependsOn of ${at}`).map(String);
  const parsed: GraphStep = {
    name,
    type: known,
    arguments: own,
    after: [...new Set([...depends, ...needed])],
    propertyFiles: listOf(step['PropertyFiles'] ?? [], `PropertyFiles of ${at}`).map((file) => propertyFileOf(file, at)),
    cacheMs: cacheOf(step['CacheConfig'], at),
    displayName: typeof displayName === 'string' ? displayName : null,
    description: typeof description === 'string' ? description : null,
    branch,
  };
  if (known !== 'Condition') return [parsed];
  return [parsed, ...stepsOf(ifSteps, { condition: name, outcome: true }), ...stepsOf(elseSteps, { condition: name, outcome: false })];
}

function propertyFileOf(value: unknown, at: string) {
  const { PropertyFileName: name, OutputName: output, FilePath: path } = objectOf(value, `a property file of ${at}`);
  if (typeof name !== 'string' || typeof output !== 'string' || typeof path !== 'string')
    throw invalid(`a property file of ${at} is malformed: expected PropertyFileName, OutputName and FilePath`);
  return { name, output, path };
}

function cacheOf(value: unknown, at: string): number | null {
  if (value === undefined || value === null) return null;
  const { Enabled: isEnabled, ExpireAfter: expiry = 'P30D' } = objectOf(value, `CacheConfig of ${at}`);
  if (isEnabled !== true) return null;
  const [whole, days, hours, minutes, seconds] = durationPattern.exec(String(expiry).replace(/^(\d+)d$/i, 'P$1D')) ?? [];
  const ms = minuteMs * (1440 * Number(days ?? 0) + 60 * Number(hours ?? 0) + Number(minutes ?? 0)) + 1000 * Number(seconds ?? 0);
  if (whole === undefined || ms === 0) throw invalid(`ExpireAfter of ${at} is ${shown(expiry)}: expected a duration such as PT1H or P30D`);
  return ms;
}

/** Throws for a reference to what is not there, and for a cycle. */
function checkGraph({ parameters, steps }: PipelineDefinition): void {
  const names = new Set(parameters.map(({ name }) => name));
  const byName = new Map(steps.map((step) => [step.name, step]));
  for (const step of steps) {
    for (const { parameter, step: other, file } of stepReferencesIn(step.arguments, `step '${step.name}'`)) {
      if (parameter !== null && !names.has(parameter))
        throw invalid(`step '${step.name}' refers to parameter '${parameter}', which is not defined`);
      const files = other === null ? [] : (byName.get(other)?.propertyFiles ?? []);
      if (file !== null && byName.has(other ?? '') && !files.some(({ name }) => name === file))
        throw invalid(`step '${step.name}' refers to property file '${file}' of step '${other}', which has none of this name`);
    }
    for (const other of step.after)
      if (!byName.has(other)) throw invalid(`step '${step.name}' refers to step '${other}', which is not defined`);
  }
  const done = new Set<string>();
  const visit = (step: GraphStep, path: readonly string[]): void => {
    if (done.has(step.name)) return;
    if (path.includes(step.name)) throw invalid(`the steps depend on each other in a cycle: ${[...path, step.name].join(' -> ')}`);
    const before = step.branch === null ? step.after : [...step.after, step.branch.condition];
    for (const other of before) visit(byName.get(other) as GraphStep, [...path, step.name]);
    done.add(step.name);
  };
  for (const step of steps) visit(step, []);
}

function checkMembers(value: Json, known: readonly string[], of: string): void {
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(`${unknown} of ${of} is not supported: expected one of ${known.join(', ') || 'none'}.`);
}

function checkUnique(names: readonly string[], what: string): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw invalid(`two ${what} are named '${twice}': expected different names`);
}

function objectOf(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw invalid(`${what} is ${shown(value)}: expected an object`);
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value as readonly unknown[];
  throw invalid(`${what} is ${shown(value)}: expected a list`);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 100);
}

function invalid(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
