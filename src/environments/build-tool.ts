/** The command lines of uv and pip that resolve and install packages. */
import { dirname, join } from 'node:path';
import { PlatformError } from '../errors.ts';
import { findProgram, type Interpreter, isExecutable } from './interpreter.ts';
import type { BuildSettings } from './settings.ts';

/** What installs packages, with the path of uv if that is used. */
export type BuildTool = { readonly kind: 'uv'; readonly path: string } | { readonly kind: 'pip' };

/** Finds the tool of the settings: uv on the PATH or beside the interpreter, else the pip of the interpreter. Throws `unavailable`. */
export async function findTool(
  { tool }: Pick<BuildSettings, 'tool'>,
  interpreter: Pick<Interpreter, 'path' | 'executable'>,
): Promise<BuildTool> {
  if (tool === 'pip') return { kind: 'pip' };
  if (tool !== null && tool !== 'uv') {
    if (await isExecutable(tool)) return { kind: 'uv', path: tool };
    throw new PlatformError('unavailable', `environments.build.tool in config.json: ${tool} is not a program that the server can run`);
  }
  const candidates = [interpreter.path, interpreter.executable].map((path) => join(dirname(path), 'uv'));
  let path = await findProgram('uv');
  for (const candidate of candidates) if (path === null && (await isExecutable(candidate))) path = candidate;
  if (path !== null) return { kind: 'uv', path };
  if (tool === null) return { kind: 'pip' };
  throw new PlatformError(
    'unavailable',
    'environments.build.tool in config.json is uv, which is neither on the PATH of the server nor beside the interpreter. Install it: pip install uv',
  );
}

/** Files and folders of one build; all but `wheels` are below its own folder. */
export interface BuildPlaces {
  readonly environment: string;
  readonly requirements: string;
  readonly lock: string;
  readonly report: string;
}

interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/** Creates the virtual environment, with pip if that is to install packages in it. */
export function createCommand(hasPip: boolean, { executable }: Interpreter, { environment }: BuildPlaces): Command {
  return { program: executable, args: ['-I', '-m', 'venv', ...(hasPip ? [] : ['--without-pip']), environment] };
}

/** Writes the lock (uv) or a report (pip) for the requirements. */
export function resolveCommand(tool: BuildTool, interpreter: Interpreter, places: BuildPlaces, settings: BuildSettings): Command {
  const { environment, requirements, lock, report } = places;
  if (tool.kind === 'uv') {
    const own = ['--python', interpreter.executable, '--generate-hashes', '--no-header', '--no-annotate', '--output-file', lock];
    return { program: tool.path, args: ['pip', 'compile', '--quiet', requirements, ...own, ...uvOptions(settings)] };
  }
  const own = ['--dry-run', '--ignore-installed', '--report', report, '--requirement', requirements];
  return { program: join(environment, 'bin/python'), args: ['-I', '-m', 'pip', 'install', ...own, ...pipOptions(settings)] };
}

/** Installs exactly the packages of the lock. */
export function installCommand(tool: BuildTool, { environment, lock }: BuildPlaces, settings: BuildSettings): Command {
  const python = join(environment, 'bin/python');
  const exact = ['--require-hashes', '--no-deps', '--requirement', lock];
  if (tool.kind === 'uv') {
    return { program: tool.path, args: ['pip', 'install', '--python', python, ...exact, '--link-mode', 'copy', ...uvOptions(settings)] };
  }
  return { program: python, args: ['-I', '-m', 'pip', 'install', '--no-compile', ...exact, ...pipOptions(settings)] };
}

/**
 * Compiles all modules with the interpreter outside of the environment, and without `site`: that would run the `.pth` files of packages,
 * which are code.
 */
export function compileCommand({ executable }: Interpreter, { environment }: BuildPlaces): Command {
  return { program: executable, args: ['-I', '-S', '-m', 'compileall', '-q', join(environment, 'lib')] };
}

function uvOptions({ allowsSdist, wheels, isOffline }: BuildSettings): readonly string[] {
  return [
    '--no-config',
    '--no-python-downloads',
    '--no-progress',
    '--no-cache',
    '--color',
    'never',
    ...(allowsSdist ? [] : ['--only-binary', ':all:']),
    ...(wheels === null ? [] : ['--find-links', wheels]),
    ...(isOffline ? ['--offline', '--no-index'] : []),
  ];
}

function pipOptions({ allowsSdist, wheels, isOffline }: BuildSettings): readonly string[] {
  return [
    '--disable-pip-version-check',
    '--no-input',
    '--no-cache-dir',
    '--progress-bar',
    'off',
    '--no-color',
    ...(allowsSdist ? [] : ['--only-binary', ':all:']),
    ...(wheels === null ? [] : ['--find-links', wheels]),
    ...(isOffline ? ['--no-index'] : []),
  ];
}

/** Variables by which an operator tells these tools how to reach the index. The server's keys and settings are not among them. */
const inherited =
  'PATH LANG TZ LD_LIBRARY_PATH ' +
  'http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY ' +
  'SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE SSL_CLIENT_CERT ' +
  'PIP_CERT PIP_CLIENT_CERT PIP_TRUSTED_HOST PIP_CONFIG_FILE PIP_DEFAULT_TIMEOUT PIP_RETRIES ' +
  'UV_NATIVE_TLS UV_SYSTEM_CERTS UV_INSECURE_HOST UV_HTTP_TIMEOUT UV_INDEX_STRATEGY';
/** The variables that name an index. A configured index replaces them. */
const indexNames = [
  'PIP_INDEX_URL',
  'PIP_EXTRA_INDEX_URL',
  'PIP_FIND_LINKS',
  'UV_INDEX_URL',
  'UV_DEFAULT_INDEX',
  'UV_INDEX',
  'UV_EXTRA_INDEX_URL',
  'UV_FIND_LINKS',
];

/** The environment of the build's processes. The index is passed here, because other users can read the arguments of a process. */
export function buildVariables(
  { index, isOffline }: Pick<BuildSettings, 'index' | 'isOffline'>,
  folders: { readonly home: string; readonly temporary: string },
  own: Readonly<Record<string, string | undefined>> = process.env,
): Readonly<Record<string, string>> {
  const names = [...inherited.split(' '), ...(index === null && !isOffline ? indexNames : [])];
  const passed = names.flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]] as const]));
  const url = index === null ? {} : { PIP_INDEX_URL: index, UV_DEFAULT_INDEX: index };
  const pip = { PIP_NO_INPUT: '1', PIP_DISABLE_PIP_VERSION_CHECK: '1' };
  return { ...Object.fromEntries(passed), ...url, ...pip, LC_ALL: 'C.UTF-8', HOME: folders.home, TMPDIR: folders.temporary };
}
