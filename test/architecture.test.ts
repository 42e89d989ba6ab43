/**
 * Checks the architecture: modules belong to layers, import only from lower ones, and only through `index.ts`. Imports are read
 * as text, including those of types. If a rule stops helping, change it here, with the reason in the commit.
 */
import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { test } from 'node:test';
import { isTest, type SourceFile, sourceFiles, suiteSource } from './source-files.ts';

/** From the bottom up. Files directly in src/ (common types, entry points) are modules of one file. */
const layers = [
  [
    'errors',
    'clock',
    'closers',
    'random',
    'quantiles',
    'names',
    'pages',
    'defined',
    'v8-flags',
    'own-imports',
    'buffer-release',
    'node-http',
  ],
  ['tensor', 'python-model', 'objective', 'tar', 'zip', 'threads', 'schedules', 'event-patterns'],
  ['config', 'codecs', 'connections', 'fields', 'python-files', 'data-directory'],
  ['queueing', 'forecasting', 'statistics', 'storage', 'runtime', 'links'],
  ['metrics', 'records', 'access', 'costs', 'selection', 'cluster'],
  ['logs', 'alerts', 'data-quality', 'authority'],
  ['registry', 'providers', 'foundation'],
  ['profiling', 'environments'],
  ['hosts'], // an agent makes environments
  ['deployment'],
  ['serving'],
  ['autoscaling', 'async-inference'],
  ['evaluation', 'simulation', 'http'],
  ['training'], // its pipelines evaluate what they trained
  ['api', 'aws', 'gateways', 'oip'],
  ['cli'],
  ['platform'],
  ['main'],
];

/** The modules that may import a package; `@scope/` and `name-` are prefixes. */
const packageOwners: Readonly<Record<string, readonly string[]>> = {
  '@aws-sdk/': ['storage'],
  '@peculiar/': ['links'],
  'reflect-metadata': ['links'],
  kysely: ['storage'],
  pg: ['storage'],
  'node:sqlite': ['storage', 'data-directory', 'threads'],
  'onnxruntime-': ['runtime'],
  'onnx-buf': ['runtime'],
  '@bufbuild/': ['metrics', 'runtime'],
  pino: ['logs'],
  'prom-client': ['metrics'],
  re2js: ['training'],
  yaml: ['training', 'cli'],
  fastify: ['http'],
  'fastify-': ['http'],
  '@fastify/': ['http'],
  zod: ['api', 'http'],
  '@grpc/': ['oip'],
  '#conformance': ['cli'],
  commander: ['cli'],
  '@clack/': ['cli'],
};

/** Modules without I/O, clock and randomness. */
const pureModules = ['queueing', 'forecasting', 'statistics'];

/** What a file whose first comment says "Pure" may import of Node. */
const pureOfNode = ['assert/strict', 'buffer', 'crypto', 'net', 'path/posix', 'util'].map((name) => `node:${name}`);
/** Waiting, clocks, processes, randomness that no seed decides, and connections. */
const impure =
  /\basync (?:function|\(|#?\w+[(<])|\bawait |\bprocess\.|\b(?:nowMs|wallMs|randomUUID|randomBytes|randomInt|createServer|connect)\(|\bSystemRandom\b/;

const layerOf = (importer: string): number => layers.findIndex((modules) => modules.includes(importer));
const moduleOf = (path: string): string => path.replace(/(\.test)?\.ts$|\/.*/, '');

function importsOf(text: string): string[] {
  const statement = /^(?:import|export)\b[^;'"]*?from '([^']+)'|^import '([^']+)'|\b(?:import|require)\(\s*'([^']+)'\s*\)/gm;
  return [...text.matchAll(statement)].map(([, from, bare, call]) => from ?? bare ?? call ?? '');
}

/** What is wrong with importing `specifier` in the file at `path`; null if nothing is. */
function complaint(path: string, specifier: string): string | null {
  const importer = moduleOf(path);
  if (!specifier.startsWith('.')) return isTest(path) ? null : foreignComplaint(importer, specifier);
  const target = posix.join(posix.dirname(path), specifier);
  const other = moduleOf(target);
  if (target.startsWith('..')) return isTest(path) ? null : 'leaves src/';
  if (importer === other) return target.endsWith('/index.ts') && !isTest(path) ? 'inside a module import the file itself' : null;
  if (layerOf(other) >= layerOf(importer)) return `${importer} may only import from lower layers, ${other} is not in one`;
  if (target.includes('/') && target !== `${other}/index.ts`) return `import ${other} through ${other}/index.ts`;
  return pureModules.includes(importer) && !isTest(path) && other === 'clock' ? `${importer} is pure` : null;
}

function foreignComplaint(importer: string, specifier: string): string | null {
  const name = specifier.startsWith('node:') ? specifier : specifier.replace(/^(@[^/]+\/[^/]+|[^/]+).*$/, '$1');
  const owned = Object.keys(packageOwners).find((key) => (/[/-]$/.test(key) ? name.startsWith(key) : name === key));
  if (owned !== undefined)
    return packageOwners[owned]?.includes(importer) ? null : `${name} may only be imported by ${packageOwners[owned]?.join(', ')}`;
  if (!name.startsWith('node:')) return `${name} has no owner: add one in architecture.test.ts`;
  return pureModules.includes(importer) && !name.startsWith('node:assert') ? `${importer} is pure` : null;
}

/** The files of a circular import, or null. */
function findCycle(files: readonly SourceFile[]): string[] | null {
  const imports = new Map(
    files.map(({ path, text }) => {
      const inside = importsOf(text).filter((specifier) => specifier.startsWith('.'));
      return [path, inside.map((specifier) => posix.join(posix.dirname(path), specifier))];
    }),
  );
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): string[] | null => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return null;
    for (const next of imports.get(path) ?? []) {
      const found = walk(next, [...trail, path]);
      if (found !== null) return found;
    }
    done.add(path);
    return null;
  };
  return files.map(({ path }) => walk(path, [])).find((found) => found !== null) ?? null;
}

/** What contradicts the first comment of a file that says "Pure". */
function impurities({ path, text }: SourceFile): string[] {
  const [comment = ''] = /^\/\*\*[\s\S]*?\*\//.exec(text) ?? [];
  if (isTest(path) || !/\bPure\b/.test(comment)) return [];
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  const found = importsOf(code).filter((name) => (name.startsWith('node:') ? !pureOfNode.includes(name) : name.endsWith('/clock.ts')));
  return [...found, ...(impure.exec(code) ?? [])].map((what) => `${path} says that it is pure, but uses ${what}`);
}

function complaints(files: readonly SourceFile[]): string[] {
  const unknown = files.filter(({ path }) => layerOf(moduleOf(path)) < 0).map(({ path }) => `${path}: unknown module`);
  const wrong = files.flatMap(({ path, text }) =>
    importsOf(text).flatMap((specifier) => {
      const found = complaint(path, specifier);
      return found === null ? [] : [`${path} imports ${specifier}: ${found}`];
    }),
  );
  const random = files
    .filter(({ path, text }) => pureModules.includes(moduleOf(path)) && !isTest(path) && text.includes('SystemRandom'))
    .map(({ path }) => `${path}: ${moduleOf(path)} is pure: random numbers must come from a seed`);
  const cycle = findCycle(files);
  return [
    ...unknown,
    ...wrong,
    ...random,
    ...files.flatMap(impurities),
    ...(cycle === null ? [] : [`circular imports: ${cycle.join(' -> ')}`]),
  ];
}

test('every module imports only from lower layers, through index.ts, without circles', () => {
  assert.deepEqual(complaints(sourceFiles()), []);
});

test('the conformance suite, a package of its own, shares no code with the server that it tests', () => {
  const foreign = sourceFiles(suiteSource)
    .filter(({ path }) => !isTest(path))
    .flatMap(({ path, text }) =>
      importsOf(text).map((specifier) => ({ path, specifier, target: posix.join(posix.dirname(path), specifier) })),
    )
    .filter(({ specifier, target }) => (specifier.startsWith('.') ? target.startsWith('..') : !/^(?:node:|@grpc\/)/.test(specifier)));
  assert.deepEqual(foreign, []);
});

for (const { text, path = 'serving/buffer.ts', wrong } of [
  { text: `import { a } from '../queueing/index.ts';\nimport type { B } from './batch.ts';`, wrong: null },
  { text: `import {\n  a,\n  b,\n} from '../api/index.ts';`, wrong: /lower layers, api/ },
  { text: `import type { A } from '../autoscaling/index.ts';`, wrong: /lower layers/ },
  { text: `export type { A } from '../registry/registry.ts';`, wrong: /through registry\/index\.ts/ },
  { text: `import { a } from './index.ts';`, wrong: /the file itself/ },
  { text: `const a = await import('fastify');`, wrong: /fastify may only be imported by http/ },
  { text: `import { get } from '@fastify/static';`, wrong: /@fastify\/static may only/ },
  { text: `const { InferenceSession } = require('onnxruntime-node');`, wrong: /onnxruntime-node may only be imported by runtime/ },
  { text: `import _ from 'lodash/get.js';`, wrong: /lodash has no owner/ },
  { text: `import { a } from '../../test/models/index.ts';`, wrong: /leaves src/ },
  { text: `import { a } from '../drawers/index.ts';`, path: 'drawers/a.ts', wrong: /unknown module/ },
  { text: `import { open } from 'node:fs';`, path: 'queueing/a.ts', wrong: /queueing is pure/ },
  { text: `import type { Clock } from '../clock.ts';`, path: 'forecasting/a.ts', wrong: /forecasting is pure/ },
  { text: `import { SystemRandom } from '../random.ts';`, path: 'queueing/a.ts', wrong: /queueing is pure/ },
  { text: `import { SeededRandom } from '../random.ts';`, path: 'queueing/a.ts', wrong: null },
  { text: `import { test } from 'node:test';\nimport fc from 'fast-check';`, path: 'queueing/a.test.ts', wrong: null },
  { text: `/** Formats ages. Pure. */\nconst at = clock.wallMs();`, path: 'api/a.ts', wrong: /says that it is pure, but uses wallMs\(/ },
  { text: `/** Formats ages. Pure. */\nimport { readFileSync } from 'node:fs';`, path: 'api/a.ts', wrong: /is pure, but uses node:fs/ },
  { text: `/** Formats ages. Pure. */\nimport { isDeepStrictEqual } from 'node:util';`, path: 'api/a.ts', wrong: null },
  { text: `/** Reads a file. */\nimport { readFileSync } from 'node:fs';`, path: 'api/a.ts', wrong: null },
]) {
  test(`self-check: ${text.replaceAll('\n', ' ')} in ${path}: ${wrong?.source ?? 'is fine'}`, () => {
    const found = complaints([{ path, text }]);
    if (wrong === null) assert.deepEqual(found, []);
    else assert.match(found.join('\n'), wrong);
  });
}

test('self-check: a circular import of types is found', () => {
  const files = ['a', 'b', 'c'].map((name, i) => ({
    path: `costs/${name}.ts`,
    text: `import type { X } from './${['b', 'c', 'a'][i]}.ts';`,
  }));
  assert.match(complaints(files).join(), /circular imports: costs\/a\.ts -> costs\/b\.ts -> costs\/c\.ts -> costs\/a\.ts/);
});
