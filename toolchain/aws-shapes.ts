/**
 * Makes `assets/aws-shapes.json` from the shapes of AWS's service models: one line a shape, only what the server reads.
 *
 *     node toolchain/aws-shapes.ts shapes.json
 *
 * The input is `{services: {NAME: {metadata, operations, shapes}}}` in the form of botocore's `service-2.json` files,
 * with operations' input, output and errors given as names of shapes, `resultWrapper` moved to the operation, and
 * `jsPattern` beside patterns that JavaScript cannot read.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

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
  readonly input?: string;
  readonly output?: string;
  readonly errors?: string[];
  readonly resultWrapper?: string;
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
  if (/InstanceType$/.test(name) && shape.enum !== undefined) {
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

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('expected the path of shapes.json');
const { source, services } = JSON.parse(readFileSync(file, 'utf8')) as Source;
const parts = Object.entries(services).map(([name, { metadata, operations, shapes }]) => {
  const { signingName, targetPrefix, jsonVersion, xmlNamespace } = metadata;
  const calls = Object.fromEntries(
    Object.entries(operations).map(([operation, { input, output, errors, resultWrapper }]) => [
      operation,
      { input, output, errors, resultWrapper },
    ]),
  );
  const all = Object.fromEntries(Object.entries(shapes).map(([shape, each]) => [shape, compact(relaxed(name, shape, each))]));
  const head = JSON.stringify({ signingName, targetPrefix, jsonVersion, xmlNamespace });
  return `${JSON.stringify(name)}: {"metadata": ${head},\n"operations": {\n${lines(calls)}},\n"shapes": {\n${lines(all)}}}`;
});
const { package: origin, version, license } = source;
const about = `derived from the service models in ${origin} ${version} (${license}); made by toolchain/aws-shapes.ts`;
const target = join(import.meta.dirname, '..', 'assets', 'aws-shapes.json');
writeFileSync(target, `{"source": ${JSON.stringify(about)},\n"services": {\n${parts.join(',\n')}}}\n`);
