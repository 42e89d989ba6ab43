/** The query protocol: input is a form with dotted names, output is XML. The shapes define which members are lists. */
import { AwsError, type AwsOutput } from '../service.ts';
import type { OperationShapes, Shape } from '../shapes/shapes.ts';
import { element, writeXml, type XmlContent, xmlDeclaration } from './xml.ts';

const parametersMax = 20_000;
const depthMax = 20;

/** A tree of the form's dotted names. */
interface Tree {
  value: string | null;
  readonly children: Map<string, Tree>;
}

/** A parsed form. Its input can be built once the shape of the action is known. */
export class QueryForm {
  readonly action: string;
  readonly #root: Tree;

  /** Parses `application/x-www-form-urlencoded`. Throws `AwsError` MalformedQueryString. */
  constructor(form: string) {
    this.#root = grow(form);
    this.action = this.#root.children.get('Action')?.value ?? '';
  }

  /** Builds the input from its shape. Unknown parameters are retained as texts. */
  document(shape: Shape | null): Record<string, unknown> {
    const document: Record<string, unknown> = {};
    for (const [name, tree] of this.#root.children) {
      if (name === 'Action' || name === 'Version') continue;
      const member = shape?.members.get(name);
      if (member !== undefined) document[name] = valueOf(member, tree, name);
      else if (tree.value !== null && name !== '__proto__') document[name] = tree.value;
    }
    return document;
  }
}

function grow(form: string): Tree {
  const root: Tree = { value: null, children: new Map() };
  const parts = form === '' ? [] : form.split('&', parametersMax + 1);
  if (parts.length > parametersMax) throw new AwsError('MalformedQueryString', `too many parameters: expected at most ${parametersMax}`);
  for (const part of parts) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = formDecoded(equals === -1 ? part : part.slice(0, equals));
    const steps = name.split('.', depthMax + 1);
    if (steps.length > depthMax)
      throw new AwsError('MalformedQueryString', `the name ${name.slice(0, 100)} is nested too deeply: expected at most ${depthMax} parts`);
    let tree = root;
    for (const step of steps) {
      let next = tree.children.get(step);
      if (next === undefined) {
        next = { value: null, children: new Map() };
        tree.children.set(step, next);
      }
      tree = next;
    }
    tree.value = equals === -1 ? '' : formDecoded(part.slice(equals + 1));
  }
  return root;
}

function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (cause) {
    throw new AwsError('MalformedQueryString', `invalid percent-encoding in '${text.slice(0, 100)}'`, { cause });
  }
}

function valueOf(shape: Shape, tree: Tree, path: string): unknown {
  switch (shape.type) {
    case 'structure': {
      const members: Record<string, unknown> = {};
      for (const [name, child] of tree.children) {
        const member = shape.members.get(name);
        if (member !== undefined) members[name] = valueOf(member, child, `${path}.${name}`);
        else if (child.value !== null && name !== '__proto__') members[name] = child.value;
      }
      return members;
    }
    case 'list':
      return numbered(tree, 'member').map((child, index) => valueOf(shape.element, child, `${path}.${index + 1}`));
    case 'map': {
      const entries = numbered(tree, 'entry').map((entry): [string, unknown] => {
        const value = entry.children.get('value') ?? { value: '', children: new Map<string, Tree>() };
        return [entry.children.get('key')?.value ?? '', valueOf(shape.element, value, path)];
      });
      return Object.fromEntries(entries);
    }
    default:
      return scalarOf(shape, tree.value ?? '', path);
  }
}

/** The children of `tree.<word>`, ordered by their numbers, which may have gaps. */
function numbered(tree: Tree, word: string): Tree[] {
  const children = tree.children.get(word)?.children ?? tree.children;
  return [...children]
    .filter(([name]) => /^\d{1,6}$/.test(name))
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, child]) => child);
}

function scalarOf(shape: Shape, text: string, path: string): unknown {
  switch (shape.type) {
    case 'boolean':
      if (text !== 'true' && text !== 'false') throw malformed(text, 'a boolean', path);
      return text === 'true';
    case 'integer':
    case 'long':
      if (!/^[+-]?\d{1,19}$/.test(text)) throw malformed(text, 'an integer', path);
      return Number(text);
    case 'float':
    case 'double':
      if (!/^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|NaN|-?Infinity)$/.test(text)) throw malformed(text, 'a number', path);
      return Number(text);
    default:
      return text; // Times are parsed when the input is checked.
  }
}

function malformed(text: string, what: string, path: string): AwsError {
  return new AwsError('MalformedInput', `'${text.slice(0, 100)}' at '${path}' is not ${what}`);
}

/** Encodes the output members that the shape knows. */
export function encodeQueryResponse(
  operation: string,
  { output: shape, resultWrapper }: Pick<OperationShapes, 'output' | 'resultWrapper'>,
  output: AwsOutput,
  { xmlNamespace, requestId }: { readonly xmlNamespace: string | undefined; readonly requestId: string },
): string {
  const members = shape === null ? null : structureXml(shape, output);
  const result = resultWrapper === undefined ? members : element(resultWrapper, members);
  const metadata = element('ResponseMetadata', element('RequestId', requestId));
  return xmlDeclaration + writeXml(element(`${operation}Response`, [result, metadata], xmlNamespace));
}

function structureXml(shape: Shape, value: unknown): XmlContent {
  if (typeof value !== 'object' || value === null) return null;
  const members = value as Readonly<Record<string, unknown>>;
  return [...shape.members].map(([name, member]) =>
    members[name] === undefined || members[name] === null ? null : element(name, xmlOf(member, members[name])),
  );
}

function xmlOf(shape: Shape, value: unknown): XmlContent {
  switch (shape.type) {
    case 'structure':
      return structureXml(shape, value);
    case 'list':
      return Array.isArray(value) ? value.map((each: unknown) => element('member', xmlOf(shape.element, each))) : null;
    case 'map':
      return Object.entries(value as Record<string, unknown>).map(([key, each]) =>
        element('entry', [element('key', key), element('value', xmlOf(shape.element, each))]),
      );
    case 'timestamp':
      return value instanceof Date ? value : new Date(Number(value));
    case 'blob':
      return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : String(value);
    default:
      return typeof value === 'number' || typeof value === 'boolean' ? value : String(value);
  }
}
