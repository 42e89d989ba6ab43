/**
 * The house keeps itself: rooms stand on storeys, use only lower ones, and enter by the front door. Imports are read
 * as text, those of types included. When a rule stops helping, change it here, with the reason in the commit.
 */
import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { test } from 'node:test';
import { isTest, type SourceFile, sourceFiles } from './source-files.ts';

/** From the ground up. Files of src/ itself (the common words, the entry points) are rooms of one file. */
const storeys = [
  ['errors', 'clock', 'random', 'v8-flags', 'spent-bytes'],
  ['tensor', 'objective', 'tar'],
  ['config', 'codecs'],
  ['queueing', 'forecasting', 'storage', 'runtime'],
  ['monitoring', 'access', 'costs'],
  ['registry', 'providers'],
  ['profiling'],
  ['deployment'],
  ['serving'],
  ['autoscaling', 'async-inference'],
  ['simulation', 'http'],
  ['api', 'aws', 'oip'],
  ['conformance'],
  ['cli'],
  ['platform'],
  ['main'],
];

/** The rooms that may import a package; `@scope/` and `name-` stand for all that begin so. */
const homes: Readonly<Record<string, readonly string[]>> = {
  kysely: ['storage'],
  pg: ['storage'],
  'node:sqlite': ['storage'],
  'onnxruntime-': ['runtime'],
  'onnx-buf': ['runtime'],
  '@bufbuild/': ['runtime'],
  pino: ['monitoring'],
  'prom-client': ['monitoring'],
  fastify: ['http'],
  'fastify-': ['http'],
  '@fastify/': ['http'],
  zod: ['api', 'http'],
  '@grpc/': ['oip', 'conformance'],
  commander: ['cli'],
  '@clack/': ['cli'],
};

/** No I/O, no clock, no chance: these rooms only think. */
const pureRooms = ['queueing', 'forecasting'];

const storeyOf = (room: string): number => storeys.findIndex((rooms) => rooms.includes(room));
const roomOf = (path: string): string => path.replace(/(\.test)?\.ts$|\/.*/, '');

function importsOf(text: string): string[] {
  const statement = /^(?:import|export)\b[^;'"]*?from '([^']+)'|^import '([^']+)'|\b(?:import|require)\(\s*'([^']+)'\s*\)/gm;
  return [...text.matchAll(statement)].map(([, from, bare, call]) => from ?? bare ?? call ?? '');
}

/** What is wrong with importing `specifier` in the file at `path`; null if nothing is. */
function complaint(path: string, specifier: string): string | null {
  const room = roomOf(path);
  if (!specifier.startsWith('.')) return isTest(path) ? null : foreignComplaint(room, specifier);
  const target = posix.join(posix.dirname(path), specifier);
  const other = roomOf(target);
  if (target.startsWith('..')) return isTest(path) ? null : 'leaves src/';
  if (room === other) return target.endsWith('/index.ts') && !isTest(path) ? 'inside a room import the file itself' : null;
  if (storeyOf(other) >= storeyOf(room)) return `${room} may only use lower storeys, ${other} is not on one`;
  if (target.includes('/') && target !== `${other}/index.ts`) return `enter ${other} by its front door, ${other}/index.ts`;
  return pureRooms.includes(room) && !isTest(path) && other === 'clock' ? `${room} is pure` : null;
}

function foreignComplaint(room: string, specifier: string): string | null {
  const name = specifier.startsWith('node:') ? specifier : specifier.replace(/^(@[^/]+\/[^/]+|[^/]+).*$/, '$1');
  const home = Object.keys(homes).find((key) => (/[/-]$/.test(key) ? name.startsWith(key) : name === key));
  if (home !== undefined) return homes[home]?.includes(room) ? null : `the home of ${name} is ${homes[home]?.join(', ')}`;
  if (!name.startsWith('node:')) return `${name} has no home yet: give it one in house.test.ts`;
  return pureRooms.includes(room) && !name.startsWith('node:assert') ? `${room} is pure` : null;
}

/** The files of one circle of imports, or null. */
function circle(files: readonly SourceFile[]): string[] | null {
  const imports = new Map(
    files.map(({ path, text }) => {
      const inside = importsOf(text).filter((specifier) => specifier.startsWith('.'));
      return [path, inside.map((specifier) => posix.join(posix.dirname(path), specifier))];
    }),
  );
  const done = new Set<string>();
  const walk = (path: string, road: readonly string[]): string[] | null => {
    if (road.includes(path)) return [...road.slice(road.indexOf(path)), path];
    if (done.has(path)) return null;
    for (const next of imports.get(path) ?? []) {
      const found = walk(next, [...road, path]);
      if (found !== null) return found;
    }
    done.add(path);
    return null;
  };
  return files.map(({ path }) => walk(path, [])).find((found) => found !== null) ?? null;
}

function complaints(files: readonly SourceFile[]): string[] {
  const unknown = files.filter(({ path }) => storeyOf(roomOf(path)) < 0).map(({ path }) => `${path}: unknown room`);
  const wrong = files.flatMap(({ path, text }) =>
    importsOf(text).flatMap((specifier) => {
      const found = complaint(path, specifier);
      return found === null ? [] : [`${path} imports ${specifier}: ${found}`];
    }),
  );
  const dice = files
    .filter(({ path, text }) => pureRooms.includes(roomOf(path)) && !isTest(path) && text.includes('SystemRandom'))
    .map(({ path }) => `${path}: ${roomOf(path)} is pure, numbers there come from a seed`);
  const ring = circle(files);
  return [...unknown, ...wrong, ...dice, ...(ring === null ? [] : [`a circle: ${ring.join(' -> ')}`])];
}

test('every room uses only rooms below it, by the front door, without circles', () => {
  assert.deepEqual(complaints(sourceFiles()), []);
});

for (const { text, path = 'serving/buffer.ts', wrong } of [
  { text: `import { a } from '../queueing/index.ts';\nimport type { B } from './batch.ts';`, wrong: null },
  { text: `import {\n  a,\n  b,\n} from '../api/index.ts';`, wrong: /lower storeys, api/ },
  { text: `import type { A } from '../autoscaling/index.ts';`, wrong: /lower storeys/ },
  { text: `export type { A } from '../registry/registry.ts';`, wrong: /front door/ },
  { text: `import { a } from './index.ts';`, wrong: /the file itself/ },
  { text: `const a = await import('fastify');`, wrong: /home of fastify is http/ },
  { text: `import { get } from '@fastify/static';`, wrong: /home of @fastify\/static/ },
  { text: `const { InferenceSession } = require('onnxruntime-node');`, wrong: /home of onnxruntime-node is runtime/ },
  { text: `import _ from 'lodash/get.js';`, wrong: /lodash has no home/ },
  { text: `import { a } from '../../test/models/index.ts';`, wrong: /leaves src/ },
  { text: `import { a } from '../drawers/index.ts';`, path: 'drawers/a.ts', wrong: /unknown room/ },
  { text: `import { open } from 'node:fs';`, path: 'queueing/a.ts', wrong: /queueing is pure/ },
  { text: `import type { Clock } from '../clock.ts';`, path: 'forecasting/a.ts', wrong: /forecasting is pure/ },
  { text: `import { SystemRandom } from '../random.ts';`, path: 'queueing/a.ts', wrong: /queueing is pure/ },
  { text: `import { SeededRandom } from '../random.ts';`, path: 'queueing/a.ts', wrong: null },
  { text: `import { test } from 'node:test';\nimport fc from 'fast-check';`, path: 'queueing/a.test.ts', wrong: null },
]) {
  test(`self-check: ${text.replaceAll('\n', ' ')} in ${path}: ${wrong?.source ?? 'is fine'}`, () => {
    const found = complaints([{ path, text }]);
    if (wrong === null) assert.deepEqual(found, []);
    else assert.match(found.join('\n'), wrong);
  });
}

test('self-check: a circle of types is a circle', () => {
  const files = ['a', 'b', 'c'].map((name, i) => ({
    path: `costs/${name}.ts`,
    text: `import type { X } from './${['b', 'c', 'a'][i]}.ts';`,
  }));
  assert.match(complaints(files).join(), /a circle: costs\/a\.ts -> costs\/b\.ts -> costs\/c\.ts -> costs\/a\.ts/);
});
