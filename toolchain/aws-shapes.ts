/**
 * Makes `assets/aws-shapes.json` from the shapes of AWS's service models: one line a shape, only what the server reads.
 *
 *     node toolchain/aws-shapes.ts shapes.json
 *     node toolchain/aws-shapes.ts add BOTOCORE/data iam/2010-05-08 GetRole SimulatePrincipalPolicy
 *     node toolchain/aws-shapes.ts add BOTOCORE/data sagemaker/2017-07-24 SearchRecord.TrainingJob
 *
 * The second form adds operations, with all shapes that they use, from an installed botocore of the same version; the third, members of
 * a structure that the file has in part.
 *
 * The input is `{services: {NAME: {metadata, operations, shapes}}}` in the form of botocore's `service-2.json` files,
 * with operations' input, output and errors given as names of shapes, `resultWrapper` moved to the operation, and
 * `jsPattern` beside patterns that JavaScript cannot read.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

interface SourceShape {
  readonly type: string;
  readonly members?: Record<string, { readonly shape: string }>;
  readonly required?: string[];
  readonly member?: { readonly shape: string };
  readonly key?: { readonly shape: string };
  readonly value?: { readonly shape: string };
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: string;
  readonly jsPattern?: string;
  readonly enum?: string[];
  readonly sensitive?: boolean;
  readonly exception?: boolean;
  readonly fault?: boolean;
  readonly error?: { readonly code?: string; readonly httpStatusCode?: number; readonly senderFault?: boolean };
}

interface SourceOperation {
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  readonly errors?: string[];
  readonly resultWrapper?: string | undefined;
}

interface Source {
  readonly source: { readonly package: string; readonly version: string; readonly license: string };
  readonly services: Record<
    string,
    {
      readonly metadata: Record<string, unknown>;
      readonly operations: Record<string, SourceOperation>;
      readonly shapes: Record<string, SourceShape>;
    }
  >;
}

/** Where this server is laxer, or more careful, than the models. */
function relaxed(service: string, name: string, shape: SourceShape): SourceShape {
  // It has an error of its own for that.
  if (service === 'cloudtrail' && name === 'MaxResults') return { type: shape.type };
  // New instance types come every month, and the sizes of this installation are its own.
  if (name.endsWith('InstanceType') && shape.enum !== undefined) {
    const { enum: _, ...rest } = shape;
    return { ...rest, max: 64, pattern: '[a-z0-9-]+(\\.[a-z0-9-]+)+' };
  }
  // The same texts, without the time that grows with two to the power of their length.
  if (name === 'HeaderValue') return { ...shape, jsPattern: '\\t*[\\x20-\\x7E][\\t\\x20-\\x7E]*' };
  // Newer clients may send a body instead.
  if (name === 'InvokeEndpointAsyncInput')
    return { ...shape, required: (shape.required ?? []).filter((member) => member !== 'InputLocation') };
  return shape;
}

function compact(shape: SourceShape): Record<string, unknown> {
  const { type, members, required, member, key, value, min, max, pattern, jsPattern, sensitive, exception, fault, error } = shape;
  return {
    type,
    members: members && Object.fromEntries(Object.entries(members).map(([name, each]) => [name, each.shape])),
    required: required?.length === 0 ? undefined : required,
    member: member?.shape,
    key: key?.shape,
    value: value?.shape,
    min: min === 0 && type !== 'integer' && type !== 'float' && type !== 'double' && type !== 'long' ? undefined : min,
    max,
    pattern: jsPattern ?? pattern,
    // The text of errors shows AWS's own.
    shownPattern: jsPattern === undefined ? undefined : pattern,
    enum: shape.enum,
    sensitive,
    error: exception === true ? { code: error?.code, status: error?.httpStatusCode ?? (fault === true ? 500 : 400) } : undefined,
  };
}

/** As JSON, with each value of the record on a line of its own. */
function lines(record: Record<string, unknown>): string {
  return Object.entries(record)
    .map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`)
    .join(',\n');
}

const target = join(import.meta.dirname, '..', 'assets', 'aws-shapes.json');

/** As the file stores a service. */
interface Compact {
  readonly metadata: Record<string, unknown>;
  readonly operations: Record<string, SourceOperation>;
  readonly shapes: Record<string, unknown>;
}

function compactService(name: string, { metadata, operations, shapes }: Source['services'][string]): Compact {
  const { signingName, targetPrefix, jsonVersion, xmlNamespace } = metadata;
  const calls = Object.entries(operations).map(([operation, { input, output, errors, resultWrapper }]) => [
    operation,
    { input, output, errors, resultWrapper },
  ]);
  const all = Object.entries(shapes).map(([shape, each]) => [shape, compact(relaxed(name, shape, each))]);
  return {
    metadata: { signingName, targetPrefix, jsonVersion, xmlNamespace },
    operations: Object.fromEntries(calls) as Compact['operations'],
    shapes: Object.fromEntries(all) as Compact['shapes'],
  };
}

function write(about: string, services: Record<string, Compact>): void {
  const parts = Object.entries(services).map(
    ([name, { metadata, operations, shapes }]) =>
      `${JSON.stringify(name)}: {"metadata": ${JSON.stringify(metadata)},\n"operations": {\n${lines(operations)}},\n"shapes": {\n${lines(shapes)}}}`,
  );
  writeFileSync(target, `{"source": ${JSON.stringify(about)},\n"services": {\n${parts.join(',\n')}}}\n`);
}

/** A service model as botocore ships it. */
interface Model {
  readonly metadata: Record<string, unknown> & { readonly endpointPrefix: string; readonly signingName?: string };
  readonly operations: Record<
    string,
    Record<'input' | 'output', { shape: string; resultWrapper?: string } | undefined> & { errors?: { shape: string }[] }
  >;
  readonly shapes: Record<string, SourceShape>;
}

/** A shape with a `jsPattern` if its pattern has a class of Java. Throws for any other pattern that JavaScript cannot read. */
function readable(shape: SourceShape): SourceShape {
  if (shape.pattern === undefined) return shape;
  const jsPattern = shape.pattern.replaceAll('\\p{Alnum}', 'A-Za-z0-9');
  new RegExp(`^(?:${jsPattern})$`, 'u');
  return jsPattern === shape.pattern ? shape : { ...shape, jsPattern };
}

/** The operations and the added members, with the closure of their shapes, in the form of `Source`. */
function picked({ metadata, operations, shapes }: Model, wanted: readonly string[]): Source['services'][string] {
  const chosen = wanted.filter(isOperation).map((name): [string, SourceOperation] => {
    const model = operations[name];
    if (model === undefined) throw new Error(`the model has no operation ${name}`);
    const { input, output, errors = [] } = model;
    return [
      name,
      { input: input?.shape, output: output?.shape, errors: errors.map(({ shape }) => shape), resultWrapper: output?.resultWrapper },
    ];
  });
  const found: Record<string, SourceShape> = {};
  const visit = (name: string | undefined): void => {
    if (name === undefined || found[name] !== undefined) return;
    const shape = readable(shapes[name] as SourceShape);
    found[name] = shape;
    for (const each of Object.values(shape.members ?? {})) visit(each.shape);
    for (const each of [shape.member, shape.key, shape.value]) visit(each?.shape);
  };
  for (const [, { input, output, errors = [] }] of chosen) for (const name of [input, output, ...errors]) visit(name);
  for (const { shape } of addedMembers(shapes, wanted)) visit(shape);
  const signingName = metadata.signingName ?? metadata.endpointPrefix;
  return { metadata: { ...metadata, signingName }, operations: Object.fromEntries(chosen), shapes: found };
}

function isOperation(wanted: string): boolean {
  return !wanted.includes('.');
}

/** `SearchRecord.TrainingJob` names a member of a structure that the file has in part. */
function addedMembers(shapes: Model['shapes'], wanted: readonly string[]): { owner: string; member: string; shape: string }[] {
  const paths = wanted.filter((each) => !isOperation(each)).map((each) => each.split('.'));
  return paths.map(([owner = '', member = '']) => {
    const found = shapes[owner]?.members?.[member];
    if (found === undefined) throw new Error(`the model has no member ${owner}.${member}`);
    return { owner, member, shape: found.shape };
  });
}

const [file, ...more] = process.argv.slice(2);
if (file === 'add') {
  const [data = '', path = '', ...wanted] = more;
  const model = JSON.parse(gunzipSync(readFileSync(join(data, path, 'service-2.json.gz'))).toString()) as Model;
  const before = JSON.parse(readFileSync(target, 'utf8')) as { source: string; services: Record<string, Compact> };
  const [name = ''] = path.split('/');
  const added = compactService(name, picked(model, wanted));
  const known = before.services[name] ?? { metadata: added.metadata, operations: {}, shapes: {} };
  const fresh = Object.fromEntries(Object.entries(added.shapes).filter(([shape]) => !Object.hasOwn(known.shapes, shape)));
  const merged = { ...known, operations: { ...known.operations, ...added.operations }, shapes: { ...known.shapes, ...fresh } };
  for (const { owner, member, shape } of addedMembers(model.shapes, wanted)) {
    const partial = merged.shapes[owner] as { readonly members: object };
    merged.shapes[owner] = { ...partial, members: { ...partial.members, [member]: shape } };
  }
  write(before.source, { ...before.services, [name]: merged });
} else {
  if (file === undefined) throw new Error('expected the path of shapes.json, or `add`');
  const { source, services } = JSON.parse(readFileSync(file, 'utf8')) as Source;
  const { package: origin, version, license } = source;
  const about = `derived from the service models in ${origin} ${version} (${license}); made by toolchain/aws-shapes.ts`;
  write(about, Object.fromEntries(Object.entries(services).map(([name, service]) => [name, compactService(name, service)])));
}
