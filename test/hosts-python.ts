/** Python models for workers on hosts: functions in one file, with the interpreter of this machine. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentPythons } from '../src/hosts/agent/agent-pythons.ts';
import type { HomePython } from '../src/hosts/known-requirements.ts';
import type { WorkerSpec } from '../src/providers/index.ts';
import type { EnvironmentRef } from '../src/python-model.ts';
import type { ServingLink, TensorParts } from '../src/runtime/index.ts';
import { silentLog, storedModel } from './hosts-fixture.ts';
import { python } from './interpreter.ts';

/** Why there are no tensors in Python. */
export const skipNumpy = hasNumpy() ? false : 'the python3 of this machine has no numpy';
export const skipPython = python === null ? 'no python3 of 3.9 or newer' : false;

function hasNumpy(): boolean {
  return python !== null && spawnSync(python.path, ['-I', '-c', 'import numpy']).status === 0;
}

/** What the home knows of the interpreter of this machine, whatever the environment. */
export const homePython: HomePython = {
  hasNetwork: false,
  factsOf: async () => ({ version: python?.version ?? '', platform: python?.platform ?? '' }),
  archiveOf: () => Promise.reject(new Error('this home has no environments')),
};

/** The interpreter of this machine, as an agent finds it. */
export function openPythons(): Promise<AgentPythons> {
  const named = new Map(python === null ? [] : [['default', python.path]]);
  return AgentPythons.open({ log: silentLog, isEnabled: python !== null, named });
}

const rows = (name: string) => ({ name, datatype: 'BYTES', shape: [-1], content: 'json' }) as const;
const signature = { inputs: [rows('request')], outputs: [rows('response')] };

const code = `
import sys
def predict(items: list[dict]):
    print("rows %d" % len(items), file=sys.stderr)
    return [{"sum": sum(item["values"])} for item in items]
`;
const streamCode = `
def predict(text: str):
    for i in range(int(text)):
        yield str(i) * 400_000
`;

/** A function of rows of JSON: the sum of their values. Its files are written to the folder. */
export function sumModel(
  folder: string,
  environment: EnvironmentRef = { name: null, lock: null },
): Pick<WorkerSpec, 'artifact' | 'python'> {
  return {
    artifact: folderOf(folder, { 'model.py': code, 'lib/notes.txt': 'kept beside it' }),
    python: { environment, flavour: 'code', form: 'json', entry: 'model.py', modules: [], signature },
  };
}

/** A function that answers with a stream. */
export function streamModel(folder: string): Pick<WorkerSpec, 'artifact' | 'python'> {
  const environment = { name: null, lock: null };
  const none = { inputs: [], outputs: [] };
  return {
    artifact: folderOf(folder, { 'model.py': streamCode }),
    python: { environment, flavour: 'code', form: 'stream', entry: 'model.py', modules: [], signature: none },
  };
}

const ladderCode = (label: number): string => `
import numpy
def predict(x: "float32[n,1]") -> {"label": "int64[n]", "scores": "float32[n,2]"}:
    return {"label": numpy.full(len(x), ${label}, dtype="int64"), "scores": numpy.concatenate([x, 1 - x], axis=1)}
`;

/** Two functions in one worker: the first answers with label 1, and rows that it is unsure of go on to the second, which says 2. */
export function ladderModel(folder: string): Pick<WorkerSpec, 'artifact' | 'python' | 'plans'> {
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }] as const;
  const contract = {
    inputs,
    outputs: [
      { name: 'label', datatype: 'INT64', shape: [-1] },
      { name: 'scores', datatype: 'FP32', shape: [-1, 2] },
    ],
  } as const;
  const load = { flavour: 'code', form: 'tensors', entry: 'model.py', signature: contract } as const;
  const outputs = contract.outputs.map(({ name }) => ({ name, row: null }));
  const map = { inputs: [{ name: 'x', row: null }], outputs, scores: 'scores' };
  const plans = [{ first: 0, second: 1, threshold: 0.3 }];
  const others = [{ ...folderOf(folder, { 'model.py': ladderCode(2) }), python: load }];
  return {
    artifact: folderOf(folder, { 'model.py': ladderCode(1) }),
    python: { environment: { name: null, lock: null }, modules: [], ...load },
    plans: { key: 'ladder', contract, maps: [map, map], plans, others },
  };
}

let files = 0;

function folderOf(folder: string, contents: Readonly<Record<string, string>>): WorkerSpec['artifact'] {
  const data = Object.entries(contents).map(([name, content]) => {
    const path = join(folder, `python-${files++}`);
    writeFileSync(path, content);
    return { name, ...storedModel(path) };
  });
  const [first] = data;
  return { sha256: first?.sha256 ?? '', bytes: first?.bytes ?? 0, data };
}

/** The sums of rows of values. */
export async function sumsOf(link: ServingLink, ...values: readonly (readonly number[])[]): Promise<number[]> {
  const parts = values.flatMap((each) => {
    const body = Buffer.from(JSON.stringify({ values: each }));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(body.length);
    return [length, body];
  });
  const request: TensorParts = { name: 'request', datatype: 'BYTES', shape: [values.length], parts };
  const { outputs } = await link.run([request]);
  const bytes = Buffer.from(outputs[0]?.data ?? []);
  const sums: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    sums.push((JSON.parse(bytes.toString('utf8', at + 4, at + 4 + length)) as { sum: number }).sum);
    at += 4 + length;
  }
  return sums;
}
