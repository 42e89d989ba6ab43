/**
 * Packs what is published: `penstock`, a runtime package with Node and onnxruntime for each platform, and the conformance suite.
 *
 *     npm run pack:all                           all, into packed/
 *     npm run pack:all -- OUT linux-x64          with one runtime, into OUT
 *
 * Everything is staged in a temporary folder, so that the checkout's package.json stays as it is. Needs `npm ci`. The Node of another
 * platform than this one is fetched from the package registry, and must have the checksum in package-lock.json.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fixtures } from '../packages/conformance/src/fixtures.ts';
import {
  conformanceManifest,
  type Manifest,
  type Platform,
  penstockManifest,
  platformName,
  platforms,
  runtimeLicence,
  runtimeManifest,
} from './packages.ts';

const checkout = join(import.meta.dirname, '..');
const suite = join(checkout, 'packages/conformance');
const readJson = <T>(...path: string[]): T => JSON.parse(readFileSync(join(checkout, ...path), 'utf8')) as T;

const manifest = readJson<Manifest>('package.json');
const nodeVersions = readJson<Manifest>('toolchain', 'package.json').optionalDependencies;
const onnxruntimeVersion = manifest.optionalDependencies['onnxruntime-node'] ?? '';

function writeManifest(folder: string, content: object): void {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(content, null, 2)}\n`);
}

function stagePenstock(folder: string): void {
  const isPublished = (path: string): boolean => !path.includes('__pycache__');
  for (const path of [
    'bin',
    'dist',
    'console/dist',
    'assets',
    'python/penstock_worker',
    'python/penstock_fork_server',
    'python/penstock_mlflow',
    'LICENSE',
    'NOTICE',
    'README.md',
  ]) {
    cpSync(join(checkout, path), join(folder, path), { recursive: true, filter: isPublished });
  }
  stageSuite(join(folder, 'conformance'), (path) => !path.endsWith('.d.ts'));
  writeManifest(folder, penstockManifest(manifest));
}

/** The compiled suite with the definitions of its gRPC calls, which are links in the checkout. */
function stageSuite(folder: string, filter: (path: string) => boolean = () => true): void {
  cpSync(join(suite, 'dist'), join(folder, 'dist'), { recursive: true, filter });
  mkdirSync(join(folder, 'proto'));
  for (const name of readdirSync(join(suite, 'proto'))) copyFileSync(join(suite, 'proto', name), join(folder, 'proto', name));
}

/** The suite as a package of its own, with the models that its finer cases need. */
function stageConformance(folder: string): void {
  stageSuite(folder);
  mkdirSync(join(folder, 'models'));
  for (const model of Object.values(fixtures)) {
    const file = `${model.replaceAll('-', '_')}.onnx`;
    const place = ['conformance', 'catalogue'].map((name) => join(checkout, 'assets', name, file)).find((path) => existsSync(path));
    if (place === undefined) throw new Error(`the file of the model ${model} is in neither folder of assets/`);
    copyFileSync(place, join(folder, 'models', file));
  }
  for (const name of ['LICENSE', 'NOTICE']) copyFileSync(join(checkout, name), join(folder, name));
  copyFileSync(join(suite, 'README.md'), join(folder, 'README.md'));
  writeManifest(folder, conformanceManifest(readJson<Manifest>('packages/conformance/package.json')));
}

/** The folder of a platform's Node package: installed, or fetched into `temporary`. */
function nodeFolder(platform: Platform, temporary: string): string {
  const name = `node-${platformName(platform)}`;
  const version = nodeVersions[name];
  const installed = join(checkout, 'node_modules', name);
  if (platform.os === process.platform && platform.cpu === process.arch) {
    const found = readJson<Manifest>('node_modules', name, 'package.json').version;
    if (found !== version) throw new Error(`${installed} is ${found}, toolchain/package.json says ${version}: run npm ci`);
    return installed;
  }
  const { packages } = readJson<{ packages: Record<string, { integrity?: string }> }>('package-lock.json');
  const expected = packages[`node_modules/${name}`]?.integrity;
  execFileSync('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', temporary], {
    cwd: temporary,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const tarball = join(temporary, `${name}-${version}.tgz`);
  const found = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`;
  if (found !== expected) throw new Error(`${name}@${version} of the registry is ${found}, package-lock.json says ${expected}`);
  const folder = join(temporary, name);
  mkdirSync(folder);
  execFileSync('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1']);
  return folder;
}

/** Node without its headers, and the libraries of one platform out of onnxruntime-node, which holds those of all. */
function stageRuntime(platform: Platform, folder: string, temporary: string): void {
  const node = nodeFolder(platform, temporary);
  const onnxruntime = join(checkout, 'node_modules/onnxruntime-node');
  const libraries = join('bin/napi-v6', platform.os, platform.cpu);
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'licences'));
  cpSync(join(node, 'bin/node'), join(folder, 'bin/node'));
  cpSync(join(onnxruntime, libraries), join(folder, 'onnxruntime', libraries), { recursive: true });
  mkdirSync(join(folder, 'onnxruntime/dist'));
  for (const name of readdirSync(join(onnxruntime, 'dist')).filter((file) => file.endsWith('.js'))) {
    cpSync(join(onnxruntime, 'dist', name), join(folder, 'onnxruntime/dist', name));
  }
  cpSync(join(node, 'LICENSE'), join(folder, 'licences/node.txt'));
  cpSync(join(import.meta.dirname, 'licences'), join(folder, 'licences'), { recursive: true });
  writeFileSync(join(folder, 'LICENSE'), runtimeLicence(nodeVersions[`node-${platformName(platform)}`] ?? '', onnxruntimeVersion));
  writeManifest(folder, runtimeManifest(manifest, platform));
}

/** Writes the tarball of a staged folder, and returns its path. */
function pack(folder: string, out: string): string {
  const [line] = JSON.parse(
    execFileSync('npm', ['pack', folder, '--json', '--pack-destination', out], { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26 }),
  ) as { name: string; version: string; unpackedSize: number }[];
  if (line === undefined) throw new Error(`npm pack wrote nothing for ${folder}`);
  const tarball = join(out, `${line.name.replace('@', '').replace('/', '-')}-${line.version}.tgz`);
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  process.stdout.write(`${tarball}  ${mb(statSync(tarball).size)}, unpacked ${mb(line.unpackedSize)}\n`);
  return tarball;
}

function main([out = 'packed', ...names]: readonly string[]): void {
  const unknown = names.find((name) => !platforms.some((platform) => platformName(platform) === name));
  if (unknown !== undefined) {
    throw new Error(`unknown platform ${unknown}: expected ${platforms.map(platformName).join(' or ')}`);
  }
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: checkout, stdio: 'inherit' });
  const destination = resolve(out);
  mkdirSync(destination, { recursive: true });
  const temporary = mkdtempSync(join(tmpdir(), 'penstock-pack-'));
  try {
    const stage = (name: string): string => {
      const folder = join(temporary, 'staged', name);
      mkdirSync(folder, { recursive: true });
      return folder;
    };
    const folder = stage('penstock');
    stagePenstock(folder);
    pack(folder, destination);
    const conformance = stage('conformance');
    stageConformance(conformance);
    pack(conformance, destination);
    for (const platform of platforms) {
      const name = platformName(platform);
      if (names.length > 0 && !names.includes(name)) continue;
      const runtime = stage(name);
      stageRuntime(platform, runtime, temporary);
      pack(runtime, destination);
    }
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

main(process.argv.slice(2));
