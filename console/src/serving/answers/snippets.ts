/** Complete code snippets for a call, in five languages. */
import type { RowValues } from '../mapping.ts';
import { instanceOf } from '../mapping.ts';
import { type InputSignature, isText } from '../signature.ts';

export const languages = ['curl', 'Python', 'boto3', 'tritonclient', 'JavaScript'] as const;
export type Language = (typeof languages)[number];

export interface SnippetSpec {
  readonly origin: string;
  readonly endpoint: string;
  readonly signature: InputSignature;
  readonly values: RowValues;
  /** The call requires a key, which the snippet reads from PENSTOCK_KEY. */
  readonly requiresKey: boolean;
}

const lineMax = 58;

/** A list, wrapped over several lines. */
function wrapped(values: readonly (number | string)[], indent: string): string {
  const cells = values.map((value) => JSON.stringify(value));
  const lines: string[] = [];
  let line = '';
  for (const [index, cell] of cells.entries()) {
    const piece = index === cells.length - 1 ? cell : `${cell},`;
    if (line !== '' && indent.length + line.length + piece.length + 1 > lineMax) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? piece : `${line} ${piece}`;
  }
  if (line !== '') lines.push(line);
  return lines.length === 1 ? `[${lines[0]}]` : `[\n${lines.map((each) => `${indent}${each}`).join('\n')}\n${indent.slice(2)}]`;
}

/** The shape of a single row. A variable size is derived from the number of values. */
function shapeOf(shape: readonly number[], count: number): number[] {
  const rest = shape.slice(1);
  const known = rest.filter((size) => size >= 0).reduce((product, size) => product * size, 1);
  return [1, ...rest.map((size) => (size < 0 ? Math.max(1, Math.round(count / known)) : size))];
}

/** The `inputs` of an Open Inference Protocol request. */
function inputsJson({ signature, values }: SnippetSpec, indent: string): string {
  const inputs = signature.inputs.map((input) => {
    const row = values[input.name] ?? [];
    const shape = JSON.stringify(shapeOf(input.shape, row.length)).replaceAll(',', ', ');
    return `{"name": "${input.name}", "shape": ${shape},\n${indent}  "datatype": "${input.datatype}", "data": ${wrapped(row, `${indent}    `)}}`;
  });
  return `[${inputs.join(`,\n${indent} `)}]`;
}

const firstOutput = ({ signature }: SnippetSpec): string => signature.outputs[0]?.name ?? 'output';

/** Each snippet must run without changes: requests are complete, and keys come from the environment. */
const makers: Readonly<Record<Language, (spec: SnippetSpec) => string>> = {
  curl: (spec) => {
    const key = spec.requiresKey ? ' \\\n  -H "Authorization: Bearer $PENSTOCK_KEY"' : '';
    const body = `{\n  "inputs": ${inputsJson(spec, '  ')}}`;
    return `curl ${spec.origin}/v2/models/${spec.endpoint}/infer${key} -d '${body.replaceAll("'", `'"'"'`)}'`;
  },
  Python: (spec) => {
    const key = spec.requiresKey ? '\n    headers={"Authorization": "Bearer " + os.environ["PENSTOCK_KEY"]},' : '';
    return `${spec.requiresKey ? 'import os\n' : ''}import requests

r = requests.post(
    "${spec.origin}/v2/models/${spec.endpoint}/infer",${key}
    json={"inputs": ${inputsJson(spec, '    ')}})
r.raise_for_status()
print(r.json()["outputs"][0]["data"])`;
  },
  boto3: (spec) => {
    const instance = JSON.stringify({ instances: [instanceOf(spec.values, spec.signature.inputs)] });
    return `import boto3  # AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: the parts of a key

rt = boto3.client("sagemaker-runtime", region_name="us-east-1",
                  endpoint_url="${spec.origin}")
r = rt.invoke_endpoint(
    EndpointName="${spec.endpoint}",
    ContentType="application/json",
    Body=${pythonText(instance)})
print(r["Body"].read().decode())`;
  },
  tritonclient: (spec) => {
    const host = spec.origin.replace(/^https?:\/\//, '');
    const options = `${spec.origin.startsWith('https') ? ', ssl=True' : ''}`;
    const headers = spec.requiresKey ? ', headers={"Authorization": "Bearer " + os.environ["PENSTOCK_KEY"]}' : '';
    const inputs = spec.signature.inputs.map((input, index) => {
      const row = spec.values[input.name] ?? [];
      const shape = JSON.stringify(shapeOf(input.shape, row.length)).replaceAll(',', ', ');
      const type = isText(input) ? 'object' : `np.${numpyTypes[input.datatype] ?? 'float32'}`;
      return `x${index} = tc.InferInput("${input.name}", ${shape}, "${input.datatype}")
x${index}.set_data_from_numpy(np.array(${wrapped(row, '    ')}, ${type}).reshape(${shape}))`;
    });
    return `${spec.requiresKey ? 'import os\n' : ''}import numpy as np, tritonclient.http as tc

c = tc.InferenceServerClient("${host}"${options})
${inputs.join('\n')}
r = c.infer("${spec.endpoint}", [${inputs.map((_, index) => `x${index}`).join(', ')}]${headers})
print(r.as_numpy("${firstOutput(spec)}"))`;
  },
  JavaScript: (spec) => {
    const key = spec.requiresKey ? '\n  headers: { authorization: `Bearer ${process.env.PENSTOCK_KEY}` },' : '';
    return `const r = await fetch("${spec.origin}/v2/models/${spec.endpoint}/infer", {
  method: "POST",${key}
  body: JSON.stringify({ inputs: ${inputsJson(spec, '  ')} }),
});
console.log((await r.json()).outputs[0].data);`;
  },
};

const numpyTypes: Readonly<Record<string, string>> = {
  BOOL: 'bool_',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
};

/** A Python string in pieces of one line each, which Python concatenates. */
function pythonText(text: string): string {
  const pieces = text.match(/.{1,60}/gs) ?? [''];
  const quoted = pieces.map((piece) => `'${piece.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')}'`);
  return quoted.length === 1 ? (quoted[0] ?? "''") : `(\n        ${quoted.join('\n        ')})`;
}

export function snippet(language: Language, spec: SnippetSpec): string {
  return makers[language](spec);
}
