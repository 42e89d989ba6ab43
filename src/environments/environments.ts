/** Named Python environments and those of models' requirements: created, built in the background, found, deleted. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, Loop } from '../clock.ts';
import { asPlatformError, messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { EnvironmentRef } from '../python-model.ts';
import type { Audit, EventKind, Events } from '../records/index.ts';
import { type Database, inTransaction } from '../storage/index.ts';
import { type BuildDeps, BuildFailed, type BuildRequest, buildEnvironment } from './build.ts';
import { BuildQueue } from './build-queue.ts';
import { type EnvironmentLock, EnvironmentRows, type RequestedEnvironment } from './environment-rows.ts';
import { type EnvironmentArchive, HomeArchives } from './home-archives.ts';
import { type Interpreter, installedPackages, isExecutable } from './interpreter.ts';
import { Interpreters } from './interpreters.ts';
import { expectOneOf } from './known-names.ts';
import { endLeftovers } from './leftovers.ts';
import { recipeOf, recipes } from './recipes.ts';
import { parseRequirements } from './requirements.ts';
import { checkEnvironmentName, defaultName, type EnvironmentSettings } from './settings.ts';
import { sweepEnvironments } from './sweep.ts';

export interface PythonEnvironmentsDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly audit: Audit;
  readonly settings: EnvironmentSettings;
  /** The folder of all environments; it need not exist. */
  readonly directory: string;
  /** Writes a line of a build to a log group. */
  readonly writeLine: (group: string, stream: string, line: string) => void;
  /** Names of the model versions by the key of their environment, or by `operatorKey`. */
  readonly users: () => Promise<ReadonlyMap<string, readonly string[]>>;
  /** Called before code of source distributions may run; the result is called when it has ended. */
  readonly countCode?: () => () => void;
  readonly limitMemory: BuildDeps['limitMemory'];
}

/** What a user requests. */
export interface NewEnvironment {
  readonly name: string;
  /** The name of an interpreter in config.json, or the path of one; null: the default. */
  readonly python: string | null;
  /** The text of a requirements file; null if there is none. */
  readonly requirements: string | null;
  /** Further packages, each as a line of such a file. */
  readonly packages: readonly string[];
}

/** What a model needs: the environment that it names, the lock that it was opened with, or the text of its requirements. */
export type WantedEnvironment =
  | { readonly name: string | null; readonly lock: string | null }
  | { readonly requirements: string; readonly python?: string | null };

/** An environment that a worker can be started in. */
export interface ResolvedEnvironment {
  /** The key of the lock; null for an interpreter of the operator. */
  readonly key: string | null;
  /** The interpreter to start. */
  readonly python: string;
  /** The folder of a built environment; null for an interpreter of the operator. */
  readonly folder: string | null;
  /** Folders that a worker must be able to read. */
  readonly paths: readonly string[];
  /** `3.11.7` */
  readonly version: string;
}

/** An environment with its lock and the model versions that use it. */
export interface EnvironmentView extends RequestedEnvironment {
  readonly lock: EnvironmentLock | null;
  readonly users: readonly string[];
}

/** An interpreter of config.json. */
export interface OperatorEnvironment {
  readonly name: string;
  readonly path: string;
  /** Null if it does not start. */
  readonly version: string | null;
  /** Why it cannot be used; null if it can. */
  readonly problem: string | null;
  readonly users: readonly string[];
}

/** The key of an interpreter of the operator among the users of environments. */
export function operatorKey(name: string): string {
  return `name:${name.toLowerCase()}`;
}

const namesMax = 1000;
/** Builds of one request, also by servers that were killed meanwhile. */
const attemptsMax = 3;
const sweepEveryMs = 3_600_000;

/** The log group of the builds of an environment. */
export function environmentLogGroup({ id, name }: Pick<RequestedEnvironment, 'id' | 'name'>): string {
  return `/penstock/environments/${name ?? id.replace(/^\w+:/, '').slice(0, 12)}`;
}

/** Requests return at once; builds run one at a time in the background. */
export class PythonEnvironments {
  readonly #deps: PythonEnvironmentsDeps;
  readonly #rows: EnvironmentRows;
  readonly #queue = new BuildQueue();
  readonly #interpreters: Interpreters;
  readonly #archives: HomeArchives;
  #sweeps: Loop | null = null;
  #isClosed = false;
  /** Builds since the start, by outcome. */
  readonly builds = { ready: 0, failed: 0 };

  constructor(deps: PythonEnvironmentsDeps) {
    this.#deps = deps;
    this.#rows = new EnvironmentRows(deps.db);
    this.#interpreters = new Interpreters(deps.settings.interpreters);
    this.#archives = new HomeArchives(deps.directory);
  }

  /** Ends processes that a killed server left behind, and continues its builds. */
  async open(): Promise<void> {
    const { clock, log, directory } = this.#deps;
    await mkdir(directory, { recursive: true, mode: 0o711 });
    await endLeftovers(directory, log);
    for (const environment of await this.#rows.list()) if (environment.state === 'building') this.#build(environment);
    const onFailure = (error: unknown): void => log.warn({ error: messageOf(error) }, 'failed to delete unused environments, will retry');
    this.#sweeps = new Loop({ clock, everyMs: sweepEveryMs, run: () => this.sweep(), onFailure });
    this.#sweeps.open();
  }

  /** Stops the builds. The next server starts them again. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#sweeps?.close();
    await this.#queue.close(new PlatformError('unavailable', 'the server stops'));
  }

  /** Whether building may run code of packages. */
  get allowsSdist(): boolean {
    return this.#deps.settings.build.allowsSdist;
  }

  /** The interpreters of config.json, sorted by name, as they are now. */
  async operators(): Promise<readonly OperatorEnvironment[]> {
    const users = await this.#deps.users();
    const found = [...this.#deps.settings.interpreters].map(async ([name, path]) => {
      const named = { name, path, users: users.get(operatorKey(name)) ?? [] };
      try {
        return { ...named, version: (await this.#interpreters.inspect(path)).version, problem: null };
      } catch (error) {
        return { ...named, version: null, problem: messageOf(error) };
      }
    });
    return (await Promise.all(found)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Starts to build an environment. Throws `already_exists` unless an environment of this name has failed. */
  async create({ name, python, requirements, packages }: NewEnvironment, who: string): Promise<EnvironmentView> {
    checkEnvironmentName(name, 'environment');
    const lines = packagesOf(name, requirements, packages);
    const id = name.toLowerCase();
    if (this.#isOperators(id))
      throw new PlatformError('already_exists', `environment ${name} is an interpreter in config.json: choose another name`);
    const interpreter = await this.#interpreters.find(python);
    const [known, all] = [await this.#rows.find(id), await this.#rows.list()];
    if (known !== null && known.state !== 'failed') {
      throw new PlatformError(
        'already_exists',
        `environment ${known.name} exists (${known.state}): choose another name, or delete it first`,
      );
    }
    if (all.filter((each) => each.name !== null).length >= namesMax) {
      throw new PlatformError('overloaded', `there are ${namesMax} environments: delete some first`);
    }
    const created = await this.#request({ id, name, lines, interpreter, who });
    if (created === null) throw new PlatformError('already_exists', `environment ${name} exists: choose another name, or delete it first`);
    return this.#viewOf(created, await this.#deps.users());
  }

  /**
   * Named environments, sorted by name, followed by those without a name: of models' requirements, and those whose name was deleted while
   * model versions run in them.
   */
  async list(): Promise<readonly EnvironmentView[]> {
    const [all, users] = [await this.#rows.list(), await this.#deps.users()];
    const locks = new Map((await this.#rows.locks()).map((lock) => [lock.key, lock]));
    const referred = new Set(all.map(({ lockKey: key }) => key));
    const nameless = [...locks.values()].filter(({ key }) => !referred.has(key) && users.has(key)).map(namelessOf);
    const sorted = [...all.filter(({ name }) => name !== null), ...all.filter(({ name }) => name === null), ...nameless];
    return sorted.map((environment) => viewOf(environment, locks.get(environment.lockKey ?? '') ?? null, users));
  }

  /** Throws `not_found`. */
  async describe(name: string): Promise<EnvironmentView> {
    return this.#viewOf(await this.#known(name), await this.#deps.users());
  }

  /** Deletes a name. The folder stays while model versions use it, and for a week after that. */
  async delete(name: string, who: string): Promise<EnvironmentView> {
    const { db, audit, events } = this.#deps;
    if (this.#isOperators(name)) {
      const todo = `to delete it, remove environments.${name.toLowerCase()} there and restart the server`;
      throw new PlatformError('wrong_state', `environment ${name} is an interpreter in config.json: ${todo}`);
    }
    const view = await this.describe(name);
    this.#queue.stop(view.id, new PlatformError('not_found', `environment ${view.name} was deleted`));
    const event = { kind: 'environment.deleted' as const, subject: view.name ?? view.id, detail: { lock: view.lockKey } };
    const recorded = await inTransaction(db, async (tx) => {
      if (!(await this.#rows.remove(tx, view.id))) throw unknown(name);
      await audit.record(tx, { who, action: 'DeleteEnvironment', target: event.subject, outcome: 'ok', detail: event.detail });
      return events.record(tx, event);
    });
    events.publish(recorded);
    return view;
  }

  /**
   * The interpreter of an environment; builds it if necessary, and waits for the build. A lock does not change, whatever its name points to
   * now. Throws `not_found`, `BuildFailed`, or the reason of the signal.
   */
  async resolve(wanted: WantedEnvironment, signal?: AbortSignal): Promise<ResolvedEnvironment> {
    if ('requirements' in wanted) return this.#resolveRequirements(wanted, signal);
    if (wanted.lock !== null) return this.#resolveLock(wanted.lock, signal);
    const isDefault = wanted.name?.toLowerCase() === defaultName && (await this.#rows.find(defaultName)) === null;
    if (wanted.name === null || isDefault || this.#isOperators(wanted.name)) {
      const { path, version, folders } = await this.#interpreters.find(wanted.name);
      return { key: null, python: path, folder: null, paths: folders, version };
    }
    return this.#resolveRequested((await this.#known(wanted.name)).id, signal);
  }

  /** The Python of an environment that a model was opened in. Throws `not_found` or `unavailable`. Builds nothing. */
  async factsOf({ name, lock }: EnvironmentRef): Promise<{ readonly version: string; readonly platform: string }> {
    if (lock === null) return this.#interpreters.find(name);
    const { pythonVersion: version, platform } = await this.#lockOf(lock);
    return { version, platform };
  }

  /** The lock of the environment of this name; null if it is not built, and for an interpreter of the operator. */
  async lockNamed(name: string): Promise<string | null> {
    if (this.#isOperators(name)) return null;
    return (await this.#rows.find(name.toLowerCase()))?.lockKey ?? null;
  }

  /** Versions of the packages of an interpreter of the operator. Throws `not_found` or `unavailable`. */
  async packagesOf(name: string | null): Promise<Readonly<Record<string, string>>> {
    const { path } = await this.#interpreters.find(name);
    return Object.fromEntries((await installedPackages(path)).map((each) => [each.name, each.version]));
  }

  /** What another machine needs to make an environment. Builds it here if necessary. Throws as `resolve`, and `unavailable` for a full disk. */
  async archiveOf(lock: string): Promise<EnvironmentArchive & { readonly version: string; readonly platform: string }> {
    await this.#resolveLock(lock, undefined);
    const { bytes, pythonVersion: version, platform } = await this.#lockOf(lock);
    return { ...(await this.#archives.of(lock, bytes)), version, platform };
  }

  /** Throws `invalid_request` with the known names, unless an environment of this name exists. */
  async expectNamed(name: string): Promise<void> {
    const created = (await this.#rows.list()).flatMap((environment) => environment.name ?? []);
    expectOneOf(name, [...new Set([defaultName, ...this.#deps.settings.interpreters.keys(), ...created])]);
  }

  /** Deletes environments that nothing has used for a week. Deletes nothing if the users cannot be read. */
  async sweep(): Promise<void> {
    await sweepEnvironments({ ...this.#deps, rows: this.#rows, archives: this.#archives, isBuilding: (id) => this.#queue.has(id) });
  }

  async #resolveRequirements({ requirements, python = null }: { requirements: string; python?: string | null }, signal?: AbortSignal) {
    const lines = parseRequirements(requirements);
    const interpreter = await this.#interpreters.find(python);
    const { index, wheels, isOffline } = this.#deps.settings.build;
    const facts = [lines, interpreter.version, interpreter.platform, index, wheels, isOffline];
    const id = `requirements:${createHash('sha256').update(JSON.stringify(facts)).digest('hex')}`;
    const known = await this.#rows.find(id);
    const isUsable = known !== null && known.state !== 'failed';
    if (!isUsable) await this.#request({ id, name: null, lines, interpreter, who: 'penstock' });
    return this.#resolveRequested(id, signal);
  }

  async #resolveRequested(id: string, signal: AbortSignal | undefined): Promise<ResolvedEnvironment> {
    await this.#queue.wait(id, signal);
    const environment = await this.#rows.find(id);
    if (environment === null) throw unknown(id);
    if (environment.state === 'failed') throw new BuildFailed(failureText(environment), environment.lines);
    if (environment.lockKey === null) throw new PlatformError('unavailable', 'the server stops, and the environment is not built');
    return this.#resolveLock(environment.lockKey, signal);
  }

  async #resolveLock(key: string, signal: AbortSignal | undefined): Promise<ResolvedEnvironment> {
    await this.#rows.touch(key, this.#deps.clock.wallMs());
    const lock = await this.#lockOf(key);
    const folder = join(this.#deps.directory, key);
    const isBuilt = await isExecutable(join(folder, 'bin/python'));
    const python = isBuilt ? lock.python : (await this.#rebuild(lock, signal)).executable;
    const { folders } = await this.#interpreters.inspect(python);
    return { key, python: join(folder, 'bin/python'), folder, paths: [folder, ...folders], version: lock.pythonVersion };
  }

  async #lockOf(key: string): Promise<EnvironmentLock> {
    const lock = await this.#rows.findLock(key);
    if (lock !== null) return lock;
    throw new PlatformError('not_found', `environment ${key.slice(0, 12)} was deleted: open the model again in another one`);
  }

  /** After a restored backup, the folder is missing. The same lock makes the same environment. */
  async #rebuild(lock: EnvironmentLock, signal: AbortSignal | undefined): Promise<Interpreter> {
    const interpreter = await this.#interpreters.like(lock);
    const id = `lock:${lock.key}`;
    let failure: Error | null = null;
    this.#queue.checkRoom();
    const isQueued = this.#queue.has(id);
    const build = async (stop: AbortSignal): Promise<void> => {
      try {
        const request = { id: randomUUID(), interpreter, packages: { lock: lock.lock } };
        const built = await this.#run(request, { id, name: null }, stop);
        await this.#rows.putLock(this.#deps.db, built, interpreter, this.#deps.clock.wallMs());
      } catch (error) {
        failure = asPlatformError(error);
      }
    };
    if (!isQueued) this.#queue.add(id, build);
    await this.#queue.wait(id, signal);
    if (failure !== null) throw failure as Error;
    if (await isExecutable(join(this.#deps.directory, lock.key, 'bin/python'))) return interpreter;
    throw new PlatformError('unavailable', `environment ${lock.key.slice(0, 12)} could not be built again: see the log of the server`);
  }

  /** Stores a request and starts its build. Null if there is one of this id that has not failed. */
  async #request({ id, name, lines, interpreter, who }: EnvironmentRequest): Promise<RequestedEnvironment | null> {
    const { db, clock, audit, events } = this.#deps;
    this.#queue.checkRoom();
    const nowMs = clock.wallMs();
    const { executable: python, version: pythonVersion, platform } = interpreter;
    const request = {
      id,
      name,
      requirements: lines,
      python,
      pythonVersion,
      platform,
      createdBy: who,
      createdAtMs: nowMs,
      changedAtMs: nowMs,
    };
    const environment: RequestedEnvironment = { ...request, state: 'building', reason: null, lines: [], lockKey: null, attempts: 0 };
    const detail = { python: pythonVersion, requirements: lines.slice(0, 50) };
    const recorded = await inTransaction(db, async (tx) => {
      if (!(await this.#rows.put(tx, environment))) return null;
      if (name !== null) await audit.record(tx, { who, action: 'CreateEnvironment', target: name, outcome: 'ok', detail });
      return events.record(tx, { kind: 'environment.building', subject: name ?? id, detail });
    });
    if (recorded === null) return null;
    events.publish(recorded);
    this.#build(environment);
    return environment;
  }

  #build(environment: RequestedEnvironment): void {
    this.#queue.add(environment.id, async (signal) => {
      try {
        await this.#buildNow(environment, signal);
      } catch (error) {
        this.#deps.log.error({ environment: environment.id, error: messageOf(error) }, 'failed to record the build of an environment');
      }
    });
  }

  async #buildNow(environment: RequestedEnvironment, signal: AbortSignal): Promise<void> {
    const { db, clock } = this.#deps;
    const { attempts, requirements } = environment;
    if (this.#isClosed || signal.aborted || !(await this.#rows.change(db, environment, { attempts: attempts + 1 }))) return;
    try {
      if (attempts >= attemptsMax) throw new BuildFailed(`the server ended ${attempts} times while it was built`, environment.lines);
      const interpreter = await this.#interpreters.like(environment);
      const request = { id: randomUUID(), interpreter, packages: { requirements } };
      const built = await this.#run(request, environment, signal);
      await this.#conclude(environment, 'environment.ready', { state: 'ready', lock_key: built.key, lines: '[]' }, async (tx) => {
        await this.#rows.putLock(tx, built, interpreter, clock.wallMs());
      });
    } catch (error) {
      if (signal.aborted) return; // deleted, or the server stops
      const lines = error instanceof BuildFailed ? error.lines : [];
      const change = { state: 'failed' as const, reason: messageOf(error).slice(0, 1000), lines: JSON.stringify(lines) };
      await this.#conclude(environment, 'environment.failed', change);
    }
  }

  async #conclude(
    environment: RequestedEnvironment,
    kind: EventKind,
    change: { readonly state: 'ready' | 'failed'; readonly reason?: string; readonly lines: string; readonly lock_key?: string },
    alsoIn: (tx: Parameters<Parameters<typeof inTransaction>[1]>[0]) => Promise<void> = async () => undefined,
  ): Promise<void> {
    const { db, clock, events, log } = this.#deps;
    const subject = environment.name ?? environment.id;
    const detail = { reason: change.reason ?? null, lock: change.lock_key ?? null };
    const recorded = await inTransaction(db, async (tx) => {
      await alsoIn(tx);
      if (!(await this.#rows.change(tx, environment, { ...change, changed_at: clock.wallMs() }))) return null;
      return events.record(tx, { kind, subject, detail });
    });
    if (recorded === null) return;
    this.builds[change.state]++;
    events.publish(recorded);
    log.info({ environment: subject, ...detail }, change.state === 'ready' ? 'environment is ready' : 'environment could not be built');
  }

  #run(request: BuildRequest, named: Pick<RequestedEnvironment, 'id' | 'name'>, signal: AbortSignal) {
    const { clock, directory, settings, writeLine, limitMemory, countCode = () => () => undefined } = this.#deps;
    const group = environmentLogGroup(named);
    const onLine = (line: string): void => writeLine(group, request.id, line);
    return buildEnvironment(request, { clock, directory, settings: settings.build, onLine, countCode, limitMemory }, signal);
  }

  #isOperators(name: string): boolean {
    return this.#deps.settings.interpreters.has(name.toLowerCase());
  }

  async #known(name: string): Promise<RequestedEnvironment> {
    const found = await this.#rows.find(name.toLowerCase());
    if (found === null) throw unknown(name);
    return found;
  }

  async #viewOf(environment: RequestedEnvironment, users: ReadonlyMap<string, readonly string[]>): Promise<EnvironmentView> {
    const { lockKey } = environment;
    return viewOf(environment, lockKey === null ? null : await this.#rows.findLock(lockKey), users);
  }
}

function viewOf(
  environment: RequestedEnvironment,
  lock: EnvironmentLock | null,
  users: ReadonlyMap<string, readonly string[]>,
): EnvironmentView {
  return { ...environment, lock, users: lock === null ? [] : (users.get(lock.key) ?? []) };
}

/** What model versions run in after the name was deleted. */
function namelessOf({ key, python, pythonVersion, platform, builtAtMs }: EnvironmentLock): RequestedEnvironment {
  const built = { python, pythonVersion, platform, createdAtMs: builtAtMs, changedAtMs: builtAtMs };
  const ready = { state: 'ready', reason: null, lines: [], attempts: 1 } as const;
  return { id: `lock:${key}`, name: null, requirements: [], lockKey: key, createdBy: 'penstock', ...built, ...ready };
}

interface EnvironmentRequest {
  readonly id: string;
  readonly name: string | null;
  readonly lines: readonly string[];
  readonly interpreter: Interpreter;
  readonly who: string;
}

/** The packages of a new environment: those of its requirements, or of the recipe of its name, and the added ones. */
function packagesOf(name: string, requirements: string | null, packages: readonly string[]): readonly string[] {
  const recipe = requirements === null ? recipeOf(name) : null;
  if (requirements === null && recipe === null && packages.length === 0) {
    const known = Object.keys(recipes).join(', ');
    throw new PlatformError('invalid_request', `environment ${name}: expected requirements, packages, or the name of a recipe (${known})`);
  }
  const written = [...parseRequirements(requirements ?? ''), ...(recipe ?? []), ...parseRequirements(packages.join('\n'), 'package')];
  const lines = [...new Set(written)].sort();
  if (lines.length > 0 || recipe !== null) return lines;
  throw new PlatformError('invalid_request', `environment ${name}: expected the name of a package in its requirements, got none`);
}

function failureText({ name, reason }: RequestedEnvironment): string {
  return `environment ${name ?? 'of the requirements'} could not be built: ${reason ?? 'for an unknown reason'}`;
}

function unknown(name: string): PlatformError {
  return new PlatformError('not_found', `there is no environment '${name.slice(0, 100)}': see penstock environments list`);
}
