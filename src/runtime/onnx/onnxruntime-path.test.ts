import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { missingOnnxruntime, onnxruntimePath } from './onnxruntime-path.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'penstock-onnxruntime-')));
after(() => rmSync(root, { recursive: true }));

function install(project: string, name: string, manifest: object, main: string): string {
  const folder = join(root, project, 'node_modules', name);
  mkdirSync(dirname(join(folder, main)), { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, main), '');
  return join(folder, main);
}

const installRuntime = (project: string): string =>
  install(
    project,
    `@penstock/runtime-${process.platform}-${process.arch}`,
    { exports: { './onnxruntime': './onnxruntime/dist/index.js' } },
    'onnxruntime/dist/index.js',
  );
const installNodePackage = (project: string): string => install(project, 'onnxruntime-node', { main: 'dist/index.js' }, 'dist/index.js');
const found = (project: string): string | null => onnxruntimePath(join(root, project, 'node_modules/penstock/dist/runtime/a.js'));

test('takes onnxruntime from the runtime package of the platform, also beside onnxruntime-node', () => {
  const path = installRuntime('both');
  installNodePackage('both');
  assert.equal(found('both'), path);
});

test('takes onnxruntime-node where no runtime package is installed', () => {
  const path = installNodePackage('checkout');
  assert.equal(found('checkout'), path);
});

test('names the version that Penstock is made for', () => {
  const { optionalDependencies } = createRequire(import.meta.url)('../../../package.json') as {
    optionalDependencies: Record<string, string>;
  };
  assert(missingOnnxruntime.advice.includes(`onnxruntime-node@${optionalDependencies['onnxruntime-node']} `));
});

test('says that neither is installed', () => {
  mkdirSync(join(root, 'neither'));
  assert.equal(found('neither'), null);
});
