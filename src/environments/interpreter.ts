/** Finds Python interpreters and reads their facts by running them. */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, PlatformError } from '../errors.ts';

/** An interpreter, and its facts as it reported them. */
export interface Interpreter {
  /** As configured or found. */
  readonly path: string;
  /** The program itself, not a link or a script that starts it, and not that of a virtual environment. */
  readonly executable: string;
  /** `3.11.7` */
  readonly version: string;
  /** `linux-x86_64` */
  readonly platform: string;
  /** Folders of its programs and libraries, including its virtual environment. */
  readonly folders: readonly string[];
}

const minorMin = 9;
const timeoutMs = 20_000;
const factsBytesMax = 64 * 1024;
const packagesBytesMax = 4 * 1024 * 1024;
interface InterpreterFacts extends Omit<Interpreter, 'path'> {
  /** The running program, which may be that of a virtual environment. */
  readonly program: string;
}

/** `-I` ignores `PYTHONPATH` and the folder of the user. */
const script =
  'import json,os,sys,sysconfig\n' +
  'print(json.dumps({"program":sys.executable,"executable":os.path.realpath(getattr(sys,"_base_executable",None) or sys.executable),"version":"%d.%d.%d"%sys.version_info[:3],' +
  '"platform":sysconfig.get_platform(),"folders":sorted({sys.prefix,sys.base_prefix,sys.exec_prefix,sys.base_exec_prefix})}))';

/** Runs the interpreter. Throws `unavailable` if it does not start, and `unsupported` if it is older than 3.9. */
export async function inspectInterpreter(path: string): Promise<Interpreter> {
  const { program: _, ...facts } = await factsOf(path);
  return { ...facts, path };
}

/** Prints each distribution that the interpreter finds as `name==version`; of two of one name, only the first can be imported. */
const packagesScript =
  'import importlib.metadata as m\n' +
  'seen=set()\n' +
  'for d in m.distributions():\n' +
  ' n=d.metadata["Name"]\n' +
  ' if n and n.lower() not in seen:\n' +
  '  seen.add(n.lower());print("%s==%s"%(n,d.version))';

/** The installed packages of an interpreter. Throws `unavailable` if it does not list them. */
export async function installedPackages(path: string): Promise<readonly { readonly name: string; readonly version: string }[]> {
  const text = await outputOf(path, packagesScript, packagesBytesMax).catch((cause: unknown) => {
    const problem = messageOf(cause).trim().split('\n').at(-1) ?? '';
    throw new PlatformError('unavailable', `${path} does not list its packages (${problem})`, { cause });
  });
  return text.split('\n').flatMap((line) => {
    const [, name, version] = /^(\S+)==(\S+)$/.exec(line) ?? [];
    return name === undefined || version === undefined ? [] : [{ name, version }];
  });
}

async function factsOf(path: string): Promise<InterpreterFacts> {
  let facts: InterpreterFacts;
  try {
    facts = JSON.parse(await outputOf(path)) as InterpreterFacts;
  } catch (cause) {
    const problem = messageOf(cause).trim().split('\n').at(-1) ?? '';
    throw new PlatformError('unavailable', `${path} does not run as a Python interpreter (${problem}). Correct the path`, { cause });
  }
  const [major = 0, minor = 0] = facts.version.split('.').map(Number);
  if (major !== 3 || minor < minorMin) {
    throw new PlatformError('unsupported', `${path} is Python ${facts.version}: expected 3.${minorMin} or newer`);
  }
  return facts;
}

function outputOf(path: string, program = script, maxBuffer = factsBytesMax): Promise<string> {
  const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' };
  const options = { env, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer, cwd: '/' } as const;
  return new Promise((resolve, reject) => {
    execFile(path, ['-I', '-c', program], options, (error, stdout) =>
      error === null ? resolve(stdout) : reject(new Error(error.message, { cause: error })),
    );
  });
}

/**
 * The first `python3` on the path that is 3.9 or newer; null if there is none. If that is a script which selects an interpreter, such as those
 * of pyenv, the result is the interpreter: the script would not find it in the isolation of a worker.
 */
export async function findInterpreter(searchPath: string = process.env['PATH'] ?? ''): Promise<Interpreter | null> {
  for (const folder of searchPath.split(':')) {
    const path = join(folder, 'python3');
    if (!folder.startsWith('/') || !(await isExecutable(path))) continue;
    const found = await factsOf(path).catch(() => null);
    if (found === null) continue;
    const { program, ...facts } = found;
    return { ...facts, path: program.startsWith('/') && (await isExecutable(program)) ? program : path };
  }
  return null;
}

/** The first program of this name on the path; null if there is none. */
export async function findProgram(name: string, searchPath: string = process.env['PATH'] ?? ''): Promise<string | null> {
  for (const folder of searchPath.split(':')) {
    const path = join(folder, name);
    if (folder.startsWith('/') && (await isExecutable(path))) return path;
  }
  return null;
}

/** False also for a path that does not exist. */
export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
