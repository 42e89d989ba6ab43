/** The packages that Penstock is published as: `penstock`, a runtime package for each platform, and the conformance suite by itself. */

/** A platform whose Node and onnxruntime the package registry has: `@penstock/runtime-linux-x64`. */
export interface Platform {
  readonly os: 'linux';
  readonly cpu: 'x64' | 'arm64';
}

/**
 * Not macOS and Windows: Penstock runs on Linux. (The registry has no Node 24.21 for macOS, and onnxruntime no library for macOS on x64.)
 * onnxruntime's libraries for Linux need glibc.
 */
export const platforms: readonly Platform[] = [
  { os: 'linux', cpu: 'x64' },
  { os: 'linux', cpu: 'arm64' },
];

export const platformName = ({ os, cpu }: Platform): string => `${os}-${cpu}`;
export const runtimeName = (platform: Platform): string => `@penstock/runtime-${platformName(platform)}`;

/** A package.json, as far as packing reads it. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/** Everything else of the checkout's manifest is for development. */
const publishedFields = ['name', 'version', 'description', 'keywords', 'license', 'type', 'bin', 'exports', 'engines', 'dependencies'];

/** The manifest of `penstock`: npm installs the one runtime package whose `os`, `cpu` and `libc` fit, and runs no install script. */
export function penstockManifest(checkout: Manifest): object {
  return {
    ...Object.fromEntries(publishedFields.map((field) => [field, checkout[field]])),
    // The verb `conformance` brings its suite.
    imports: { '#conformance': './conformance/dist/index.js' },
    optionalDependencies: Object.fromEntries(platforms.map((platform) => [runtimeName(platform), checkout.version])),
  };
}

/** The manifest of a runtime package. It has no `bin`, so that it does not replace the `node` of the project it is installed into. */
export function runtimeManifest(checkout: Manifest, platform: Platform): object {
  return {
    name: runtimeName(platform),
    version: checkout.version,
    description: `Node and onnxruntime for penstock on ${platformName(platform)}`,
    license: 'SEE LICENSE IN LICENSE',
    os: [platform.os],
    cpu: [platform.cpu],
    libc: ['glibc'],
    exports: { './onnxruntime': './onnxruntime/dist/index.js', './package.json': './package.json' },
    dependencies: { 'onnxruntime-common': checkout.dependencies['onnxruntime-common'] },
    preferUnplugged: true,
  };
}

/** The suite as a package that runs with npx: compiled, and without what marks it as part of this checkout. */
export function conformanceManifest(suite: Manifest): object {
  const { private: _, ...published } = suite;
  return {
    ...published,
    engines: { node: '>=22' },
    bin: { 'penstock-conformance': 'dist/main.js' },
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' }, './package.json': './package.json' },
  };
}

export function runtimeLicence(nodeVersion: string, onnxruntimeVersion: string): string {
  return [
    'This package contains programs of others, unchanged:',
    '',
    `- bin/node: Node.js ${nodeVersion}, licence in licences/node.txt`,
    `- onnxruntime: ONNX Runtime ${onnxruntimeVersion}, MIT licence in licences/onnxruntime.txt, notices of the software in it in`,
    '  licences/onnxruntime-third-party.txt',
    '',
  ].join('\n');
}
