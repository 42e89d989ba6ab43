/**
 * Builds the body sent in place of an event: a template with `<variables>` from the event, as in EventBridge. A template is JSON, or a text
 * that is sent as a JSON string. Within a string a variable is inserted as text, elsewhere as JSON. Pure.
 */
import { PlatformError } from '../../errors.ts';
import type { Envelope } from './envelope.ts';
import { compilePath } from './event-path.ts';

/** As EventBridge has it. */
export interface InputTransformer {
  /** Paths into the event by variable name. */
  readonly paths: Readonly<Record<string, string>>;
  readonly template: string;
}

/** Values of predefined variables. */
export interface TransformedFor {
  readonly ruleName: string;
  readonly ruleArn: string;
  /** ISO 8601. */
  readonly ingestedAt: string;
}

type Value = (envelope: Envelope, about: TransformedFor) => unknown;

const predefined: Readonly<Record<string, Value>> = {
  'aws.events.rule-arn': (_envelope, { ruleArn }) => ruleArn,
  'aws.events.rule-name': (_envelope, { ruleName }) => ruleName,
  'aws.events.event.ingestion-time': (_envelope, { ingestedAt }) => ingestedAt,
  'aws.events.event': ({ detail: _detail, ...envelope }) => envelope,
  'aws.events.event.json': (envelope) => envelope,
};

const pathsMax = 100;

/** Throws `invalid_request` for a template that cannot be filled for any event. */
export function checkTransformer({ paths, template }: InputTransformer): void {
  const rejection = (why: string) => new PlatformError('invalid_request', why);
  if (Object.keys(paths).length > pathsMax) throw rejection(`InputPathsMap can have at most ${pathsMax} variables.`);
  for (const [name, path] of Object.entries(paths)) {
    if (!/^[\w-]+$/.test(name) || /^aws/i.test(name))
      throw rejection(`InputPathsMap has a variable '${name}': expected letters, digits, _ and -, not beginning with AWS.`);
    if (compilePath(path) === null)
      throw rejection(`InputPathsMap has no path at '${name}': expected one such as $.detail.total, got ${path}`);
  }
  for (const [, name = ''] of template.matchAll(placeholder)) {
    if (!Object.hasOwn(paths, name) && !Object.hasOwn(predefined, name))
      throw rejection(`InputTemplate contains invalid placeholder <${name}>: expected a variable of InputPathsMap, or a predefined one.`);
  }
  if (isText(template)) return;
  if (parsed(filled(template, () => null)) === undefined)
    throw rejection('InputTemplate is not valid JSON: expected JSON whose values are <variables>, in quotes or not, or a plain text.');
}

/** Returns JSON. */
export function transform({ paths, template }: InputTransformer, envelope: Envelope, about: TransformedFor): string {
  const valueOf = (name: string): unknown => {
    const path = Object.hasOwn(paths, name) ? paths[name] : undefined;
    return path === undefined ? predefined[name]?.(envelope, about) : compilePath(path)?.(envelope);
  };
  if (isText(template)) return JSON.stringify(template.replace(placeholder, (_all, name: string) => textOf(valueOf(name))));
  const json = filled(template, valueOf);
  const value = parsed(json);
  return value === undefined ? json : JSON.stringify(value);
}

const placeholder = /<([\w.-]+)>/g;
/** Tokens that delimit strings and variables. */
const marks = /\\.|"|<([\w.-]+)>/gs;

function filled(template: string, valueOf: (name: string) => unknown): string {
  let isInString = false;
  return template.replace(marks, (mark: string, name: string | undefined) => {
    if (mark === '"') isInString = !isInString;
    if (name === undefined) return mark;
    const value = valueOf(name);
    return isInString ? JSON.stringify(textOf(value)).slice(1, -1) : JSON.stringify(value ?? null);
  });
}

/** Within a string, other values are inserted as JSON without quotes. */
function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value).replaceAll('"', '');
}

function isText(template: string): boolean {
  return !/^\s*[{["]/.test(template) && parsed(filled(template, () => null)) === undefined;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}
