/**
 * Builds one environment: virtual environment, resolution to a lock, installation, compilation. Everything happens in a folder `ID.tmp`.
 * The finished environment is moved out of it as a whole, so a folder that is named by its key is complete.
 */
import { chmod, mkdir, readFile, rename, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, Loop } from '../clock.ts';
import { asDiskError } from '../data-directory/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import {
  type BuildPlaces,
  type BuildTool,
  buildVariables,
  compileCommand,
  createCommand,
  findTool,
  installCommand,
  resolveCommand,
} from './build-tool.ts';
import { factsFile, unpackEnvironment } from './environment-archive.ts';
import { type FolderSize, interpreterFilesOf, makeReadOnly, movePaths, removeFolder, sizeOfFolder } from './folders.ts';
import { type Interpreter, isExecutable } from './interpreter.ts';
import { lockKey, lockOfReport, lockOfRequirements } from './lock.ts';
import { type GroupEnd, runGroup } from './process-group.ts';
import type { BuildSettings } from './settings.ts';

/** What to build. From a lock, nothing is resolved again. */
export interface BuildRequest {
  /** Names the folder of the build. */
  readonly id: string;
  readonly interpreter: Interpreter;
  /** The packages, the lock of an earlier build, or the archive of another machine's. */
  readonly packages: { readonly requirements: readonly string[] } | { readonly lock: string } | { readonly archive: BuiltArchive };
}

/** An environment that the home has built. */
export interface BuiltArchive {
  readonly path: string;
  /** Its folder on the home: scripts contain this path. */
  readonly root: string;
  readonly key: string;
}

export interface BuildDeps {
  readonly clock: Clock;
  /** The folder of all environments. */
  readonly directory: string;
  readonly settings: BuildSettings;
  readonly onLine: (line: string) => void;
  /** Called before code of packages may run; the result is called after the build. */
  readonly countCode: () => () => void;
  /** Limits the memory of a process and its children. */
  readonly limitMemory: (pid: number, bytesMax: number) => MemoryHold;
}

/** A limit on the memory of a build's processes. */
export interface MemoryHold {
  /** Whether a process was ended at the limit. */
  wasExceeded(): boolean;
  /** Call after the process has ended. */
  end(): void;
}

/** A finished environment. */
export interface BuiltEnvironment extends FolderSize {
  readonly key: string;
  readonly lock: string;
}

/** A build that failed. The message is one sentence; `lines` are the last ones of its output. */
export class BuildFailed extends PlatformError {
  constructor(message: string, lines: readonly string[], cause?: unknown) {
    super('wrong_state', message, { cause, lines });
  }
}

/** A process id and its start time, so a later server can end the build of a killed one. */
export const pidFile = 'pid';
const lastLinesMax = 20;
const replacesInterpreter = 'a package replaces pyvenv.cfg or the interpreter of the environment, which could open other files to models';
const watchEveryMs = 1000;
/** Space that a build leaves to the server. */
const freeBytesMin = 256 * 2 ** 20;

/** Throws `BuildFailed`, or the reason of the signal. */
export async function buildEnvironment(request: BuildRequest, deps: BuildDeps, signal: AbortSignal): Promise<BuiltEnvironment> {
  const build = new Build(request, deps, signal);
  const uncount = deps.settings.allowsSdist ? deps.countCode() : () => undefined;
  try {
    const built = await build.run();
    deps.onLine(`penstock: built ${built.key}, ${Math.ceil(built.bytes / 1024)} KiB`);
    return built;
  } catch (error) {
    deps.onLine(`penstock: ${messageOf(error)}`);
    throw error;
  } finally {
    build.end();
    uncount();
    await removeFolder(build.folder).catch((error: unknown) => deps.onLine(`failed to remove ${build.folder}: ${messageOf(error)}`));
  }
}

class Build {
  readonly folder: string;
  readonly #request: BuildRequest;
  readonly #deps: BuildDeps;
  readonly #places: BuildPlaces;
  readonly #stop = new AbortController();
  readonly #lines: string[] = [];
  readonly #closers: (() => void)[] = [];

  constructor(request: BuildRequest, deps: BuildDeps, signal: AbortSignal) {
    this.#request = request;
    this.#deps = deps;
    this.folder = join(deps.directory, `${request.id}.tmp`);
    const at = (name: string): string => join(this.folder, name);
    this.#places = {
      environment: at('environment'),
      requirements: at('requirements.txt'),
      lock: at('lock.txt'),
      report: at('report.json'),
    };
    const stop = (): void => this.#stop.abort(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    this.#closers.push(() => signal.removeEventListener('abort', stop));
  }

  async run(): Promise<BuiltEnvironment> {
    const { interpreter, packages } = this.#request;
    const { settings, directory } = this.#deps;
    await removeFolder(this.folder);
    for (const name of ['', 'home', 'tmp']) await mkdir(join(this.folder, name), { recursive: true, mode: 0o700 });
    this.#watch();
    if ('archive' in packages) return this.#unpack(packages.archive);
    const tool = await findTool(settings, interpreter);
    const empty = 'requirements' in packages ? packages.requirements.length === 0 : packages.lock === '';
    await this.#step('create the virtual environment', createCommand(tool.kind === 'pip' && !empty, interpreter, this.#places));
    const lock = empty ? '' : 'lock' in packages ? packages.lock : await this.#resolve(tool, packages.requirements);
    const key = lockKey(lock, interpreter);
    const at = join(directory, key);
    // Two requests can have the same lock.
    if (await isExecutable(join(at, 'bin/python'))) return { key, lock, ...(await sizeOfFolder(at)) };
    await writeFile(this.#places.lock, lock);
    if (!empty) await this.#install(tool);
    await this.#step('compile the modules', compileCommand(interpreter, this.#places), true);
    return { key, lock, ...(await this.#finish(key, lock, at)) };
  }

  /** No package tool runs: the files are those that the home has installed and compiled. */
  async #unpack({ path, root, key }: BuiltArchive): Promise<BuiltEnvironment> {
    const { environment } = this.#places;
    const { interpreter } = this.#request;
    await this.#step('create the virtual environment', createCommand(false, interpreter, this.#places));
    const before = await interpreterFilesOf(environment);
    const { limitBytes: bytesMax } = this.#deps.settings;
    try {
      await unpackEnvironment(path, environment, { bytesMax, signal: this.#stop.signal });
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      throw this.#failed(
        `failed to unpack the environment of the home: ${messageOf(asDiskError(error, 'write the files of an environment'))}`,
        error,
      );
    }
    if ((await interpreterFilesOf(environment)) !== before) throw this.#failed(replacesInterpreter);
    const { lock = '' } = JSON.parse(await readFile(join(environment, factsFile), 'utf8')) as Record<string, string>;
    if (lockKey(lock, interpreter) !== key) throw this.#failed(`the archive of the home is not that of environment ${key.slice(0, 12)}`);
    const at = join(this.#deps.directory, key);
    await movePaths(environment, root, at);
    return { key, lock, ...(await this.#finish(key, lock, at)) };
  }

  async #install(tool: BuildTool): Promise<void> {
    const { environment } = this.#places;
    const before = await interpreterFilesOf(environment);
    await this.#step('install the packages', installCommand(tool, this.#places, this.#deps.settings));
    if ((await interpreterFilesOf(environment)) === before) return;
    throw this.#failed(replacesInterpreter);
  }

  /** Stops what still runs. */
  end(): void {
    for (const close of this.#closers.splice(0)) close();
    this.#stop.abort();
  }

  async #resolve(tool: BuildTool, requirements: readonly string[]): Promise<string> {
    await writeFile(this.#places.requirements, requirements.map((line) => `${line}\n`).join(''));
    const command = resolveCommand(tool, this.#request.interpreter, this.#places, this.#deps.settings);
    await this.#step('find versions of the packages', command);
    try {
      if (tool.kind === 'uv') return lockOfRequirements(await readFile(this.#places.lock, 'utf8'));
      return lockOfReport(await readFile(this.#places.report, 'utf8'));
    } catch (cause) {
      throw this.#failed(messageOf(cause), cause);
    }
  }

  async #finish(key: string, lock: string, at: string): Promise<FolderSize> {
    const { environment } = this.#places;
    const { version, platform, executable } = this.#request.interpreter;
    await movePaths(environment, environment, at);
    const facts = { key, lock, python: executable, python_version: version, platform, built_at: this.#deps.clock.wallMs() };
    await writeFile(join(environment, factsFile), `${JSON.stringify(facts)}\n`);
    await makeReadOnly(environment);
    const size = await sizeOfFolder(environment);
    await this.#step('write the files to disk', { program: 'sync', args: ['-f', environment] }, true);
    this.#stop.signal.throwIfAborted();
    // An environment whose interpreter was removed from this machine.
    await rename(at, `${at}.broken.tmp`).catch(() => undefined);
    await rename(environment, at);
    await chmod(at, 0o555);
    await removeFolder(`${at}.broken.tmp`);
    return size;
  }

  /** Runs a command. If it fails, its last lines are those of the failure. */
  async #step(what: string, command: { readonly program: string; readonly args: readonly string[] }, isOptional = false): Promise<void> {
    const { clock, settings, onLine, limitMemory } = this.#deps;
    const folders = { home: join(this.folder, 'home'), temporary: join(this.folder, 'tmp') };
    onLine(`penstock: ${what}`);
    const record = (line: string): void => {
      this.#lines.push(line);
      if (this.#lines.length > lastLinesMax) this.#lines.shift();
      onLine(line);
    };
    let hold: MemoryHold | null = null;
    const onStarted = (pid: number): void => {
      hold = limitMemory(pid, settings.memoryBytesMax);
      void this.#note(pid);
    };
    const end = await runGroup(
      { ...command, environment: buildVariables(settings, folders), cwd: '/' },
      { clock, signal: this.#stop.signal, onLine: record, onStarted },
    );
    const wasExceeded = (hold as MemoryHold | null)?.wasExceeded() === true;
    (hold as MemoryHold | null)?.end();
    this.#stop.signal.throwIfAborted();
    if (end.code === 0 || isOptional) return;
    if (wasExceeded) {
      const mebibytes = Math.round(settings.memoryBytesMax / 2 ** 20);
      throw this.#failed(`failed to ${what}: it needs more than ${mebibytes} MiB of memory (environments.build.memory)`);
    }
    throw this.#failed(`failed to ${what}: ${this.#reasonOf(end)}`);
  }

  /** The last line of output names the cause in both tools, unless there is none. */
  #reasonOf({ code, problem }: GroupEnd): string {
    const line = this.#lines.findLast((each) => /error|because|no solution|not found|no matching/i.test(each)) ?? this.#lines.at(-1);
    return (line ?? problem ?? `exit code ${code}`).trim().replace(/^(?:ERROR|error|cause|hint|×)\s*:?\s*/, '');
  }

  async #note(pid: number): Promise<void> {
    const status = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
    await writeFile(join(this.folder, pidFile), `${pid} ${startOf(status)}`).catch(() => undefined);
  }

  #failed(message: string, cause?: unknown): BuildFailed {
    return new BuildFailed(message, [...this.#lines], cause);
  }

  /** Ends the build at the time limit, the size limit, or when the disk is nearly full. */
  #watch(): void {
    const { clock, settings } = this.#deps;
    const { timeoutMs, limitBytes } = settings;
    const stop = (message: string): void => this.#stop.abort(this.#failed(message));
    const seconds = Math.round(timeoutMs / 1000);
    this.#closers.push(clock.after(timeoutMs, () => stop(`it took longer than ${seconds} s (environments.build.timeout)`)));
    const run = async (): Promise<void> => {
      const { bytes } = await sizeOfFolder(this.folder, limitBytes);
      if (bytes > limitBytes) stop(`it needs more than ${Math.round(limitBytes / 2 ** 20)} MiB of disk (environments.build.limit)`);
      const { bavail, bsize } = await statfs(this.folder);
      if (bavail * bsize < freeBytesMin) stop('the disk of the data directory is full. Free some space');
    };
    const loop = new Loop({ clock, everyMs: watchEveryMs, run, onFailure: () => undefined });
    loop.open();
    this.#closers.push(() => void loop.close());
  }
}

/** Start time in ticks since boot, from `/proc/PID/stat`; empty if unknown. */
export function startOf(status: string): string {
  return status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
