/**
 * Opens Python models. An approver's request is stored and answered at once; a worker then opens the model, and its signature, what was
 * found, and the approval are stored in one transaction, under the approver's name. If the model cannot be opened, it stays pending, and the
 * reason is stored. A request survives a restart of the server.
 */
import type { Clock } from '../clock.ts';
import { asPlatformError, messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import { nameKey } from '../names.ts';
import type { EnvironmentRef, OpeningStage, PythonRuntime } from '../python-model.ts';
import type { Audit, Events } from '../records/index.ts';
import type { OpenedPython, SampleBody } from '../runtime/index.ts';
import { type Database, inTransaction, type Transaction } from '../storage/index.ts';
import { type ModelVersion } from './model-version.ts';
import { storedSample } from './stored-sample.ts';

/** What a worker found out. */
export interface OpenedModel extends OpenedPython {
  readonly environment: EnvironmentRef;
  readonly batchable: boolean;
  readonly batchableReason: string;
}

/** Prepares the environment and opens the model in a worker. Rejects with `model_failed` or `unavailable`, with the last lines. */
export type OpenModel = (
  version: ModelVersion,
  sample: SampleBody | null,
  signal: AbortSignal,
  onStage: (stage: OpeningStage) => void,
) => Promise<OpenedModel>;

/** Collaborators of openings. `open` has a worker run the model's code, never this process. */
export interface OpeningsDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly audit: Audit;
  readonly open: OpenModel;
  readonly version: (group: string, version: number, from?: Database | Transaction) => Promise<ModelVersion>;
  readonly onOpened: (version: ModelVersion) => void;
}

/** Who takes responsibility for running the model's code. */
export interface OpeningRequest {
  readonly who: string;
  readonly note: string | null;
  /** The approver has read the names outside of the libraries. */
  readonly acceptsImports: boolean;
}

type Key = Pick<ModelVersion, 'group' | 'version'>;

const listedMax = 10;
const reasonMax = 4000;

/** One opening per version at a time. One that a restart interrupted is started again by the next server. */
export class Openings {
  readonly #deps: OpeningsDeps;
  readonly #running = new Map<string, { readonly stop: AbortController; readonly done: Promise<void> }>();
  readonly #stages = new Map<string, OpeningStage>();
  #isClosed = false;

  constructor(deps: OpeningsDeps) {
    this.#deps = deps;
  }

  /** At start: continues the openings that an earlier server had begun. */
  async open(): Promise<void> {
    const rows = await this.#deps.db
      .selectFrom('python_models as p')
      .innerJoin('model_groups as g', 'g.name_key', 'p.group_key')
      .select(['g.name as group', 'p.version as version'])
      .where('p.state', '=', 'opening')
      .execute();
    for (const row of rows) this.#start(row);
  }

  /** Stops the running ones; the next server continues them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const running = [...this.#running.values()];
    for (const { stop } of running) stop.abort();
    await Promise.all(running.map(({ done }) => done));
  }

  /** Stores the request, within the transaction of the caller. Call `start` after its commit. Throws `wrong_state`. */
  async request(tx: Transaction, version: ModelVersion, { who, note, acceptsImports }: OpeningRequest): Promise<void> {
    const outside = version.python?.recognised.imports?.outside ?? [];
    if (outside.length > 0 && !acceptsImports) throw unreviewed(version, outside);
    const atMs = this.#deps.clock.wallMs();
    await tx
      .updateTable('python_models')
      .set({ state: 'opening', requested_by: who, requested_at: atMs, note, reason: null, last_lines: '[]', changed_at: atMs })
      .where('group_key', '=', nameKey(version.group))
      .where('version', '=', version.version)
      .where('state', '!=', 'opening')
      .execute();
  }

  /** Opens the model in the background. */
  start(version: ModelVersion): void {
    this.#start(version);
  }

  /** Cancels a requested opening: the version is pending as before. */
  async cancel(key: Key): Promise<void> {
    await this.#settle(this.#deps.db, key, { state: 'registered', reason: null, lines: [] });
    this.#running.get(idOf(key))?.stop.abort();
  }

  /** What a running opening does now; null if none runs in this server. */
  stageOf(key: Key): OpeningStage | null {
    return this.#stages.get(idOf(key)) ?? null;
  }

  /** Resolves when no opening of the version runs in this server, or after this time. */
  async settled(key: Key, heldMs: number): Promise<void> {
    const running = this.#running.get(idOf(key));
    if (running === undefined) return;
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#deps.clock.after(heldMs, resolve);
    });
    await Promise.race([running.done, late]);
    cancel();
  }

  #start(key: Key): void {
    const id = idOf(key);
    if (this.#isClosed) return;
    const running = this.#running.get(id);
    if (running !== undefined) {
      // A cancelled one has not ended yet.
      if (running.stop.signal.aborted) void running.done.then(() => this.#start(key));
      return;
    }
    const stop = new AbortController();
    this.#stages.set(id, 'environment');
    const done = this.#run(key, stop.signal).finally(() => {
      this.#running.delete(id);
      this.#stages.delete(id);
    });
    this.#running.set(id, { stop, done });
  }

  /** Does not throw. */
  async #run(key: Key, signal: AbortSignal): Promise<void> {
    const { log, open, version: find } = this.#deps;
    try {
      const version = await find(key.group, key.version);
      const sample = await storedSample(this.#deps.db, key);
      if (version.python?.state !== 'opening') return; // cancelled meanwhile
      signal.throwIfAborted(); // a listener that is added now would not be called
      const opened = await open(version, sample, signal, (stage) => this.#stages.set(idOf(key), stage));
      await this.#approve(version, opened);
    } catch (error) {
      if (signal.aborted) return; // cancelled, or the server stops
      log.warn({ version: `${key.group}/${key.version}`, error: messageOf(error) }, 'failed to open a Python model');
      await this.#refuse(key, asPlatformError(error)).catch((cause: unknown) =>
        log.error({ version: `${key.group}/${key.version}`, error: messageOf(cause) }, 'failed to record that a model could not be opened'),
      );
    }
  }

  async #approve(found: ModelVersion, opened: OpenedModel): Promise<void> {
    const { db, clock, events, audit, version: find, onOpened } = this.#deps;
    const { group, version: number, runtime } = found;
    const atMs = clock.wallMs();
    const event = await inTransaction(db, async (tx) => {
      const { requestedBy, note, recognised } = (await find(group, number, tx)).python ?? {};
      const isWanted = await this.#settle(tx, found, { state: 'opened', reason: null, lines: [], facts: opened.facts });
      if (!isWanted || requestedBy === null || requestedBy === undefined || runtime.kind !== 'python') return null; // cancelled meanwhile
      const { form, environment, facts, signature } = opened;
      await tx
        .updateTable('model_versions')
        .set({
          signature: JSON.stringify(signature),
          notes: JSON.stringify(joinedNotes(found.notes, opened.notes)),
          batchable: opened.batchable ? 1 : 0,
          batchable_reason: opened.batchableReason,
          producer: producerOf(opened),
          runtime: JSON.stringify({ ...runtime, form, environment, modules: facts.modules, ...librariesOf(opened) }),
          approval: 'Approved',
          approval_changed_by: requestedBy,
          approval_changed_at: atMs,
          approval_note: note ?? null,
        })
        .where('group_key', '=', nameKey(group))
        .where('version', '=', number)
        .execute();
      const files = (found.artifact.files ?? []).map(({ path, sha256 }) => ({ path, sha256 }));
      const code = { flavour: runtime.flavour, outside: recognised?.imports?.outside ?? [], environment, python: facts.python, files };
      const detail = { from: found.approval, to: 'Approved', note: note ?? null, opened: code };
      await audit.record(tx, { who: requestedBy, action: 'SetApproval', target: found.name, outcome: 'ok', detail });
      return events.record(tx, { kind: 'version.approved', subject: found.name, detail });
    });
    if (event === null) return;
    events.publish(event);
    onOpened(await find(group, number));
  }

  async #refuse(key: Key, error: PlatformError): Promise<void> {
    const { db, audit, version: find } = this.#deps;
    await inTransaction(db, async (tx) => {
      const { python, name } = await find(key.group, key.version, tx);
      const reason = error.message.slice(0, reasonMax);
      const isWanted = await this.#settle(tx, key, { state: 'failed', reason, lines: error.lines });
      if (!isWanted || python?.requestedBy === null || python === undefined) return;
      const outcome = error.code;
      await audit.record(tx, { who: python.requestedBy, action: 'SetApproval', target: name, outcome, detail: { message: reason } });
    });
  }

  /** Ends an opening. False if none was requested. */
  async #settle(
    tx: Database | Transaction,
    { group, version }: Key,
    outcome: { readonly state: 'registered' | 'opened' | 'failed'; reason: string | null; lines: readonly string[]; facts?: unknown },
  ): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('python_models')
      .set({
        state: outcome.state,
        reason: outcome.reason,
        last_lines: JSON.stringify(outcome.lines),
        changed_at: this.#deps.clock.wallMs(),
        ...(outcome.facts === undefined ? {} : { facts: JSON.stringify(outcome.facts) }),
      })
      .where('group_key', '=', nameKey(group))
      .where('version', '=', version)
      .where('state', '=', 'opening')
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }
}

/** An earlier note that a later one says in full is left out. */
function joinedNotes(earlier: readonly string[], later: readonly string[]): readonly string[] {
  return [...earlier.filter((note) => !later.some((other) => other.startsWith(note))), ...later];
}

/** `scikit-learn 1.9.1`: the library by which most models are known; else the version of Python. */
function producerOf({ facts }: OpenedPython): string {
  return `python ${facts.python}`;
}

function idOf({ group, version }: Key): string {
  return `${nameKey(group)}/${version}`;
}

function unreviewed({ name }: ModelVersion, outside: readonly string[]): PlatformError {
  const more = outside.length > listedMax ? ` and ${outside.length - listedMax} more` : '';
  return new PlatformError(
    'wrong_state',
    `${name} imports names outside of the known libraries: ${outside.slice(0, listedMax).join(', ')}${more}. ` +
      'Approving it runs them: read them, then approve with --accept-imports (accept_imports in the API)',
  );
}

/** Versions that a worker compares when it loads the model. An environment with a lock never changes. */
function librariesOf({ environment, facts }: Pick<OpenedModel, 'environment' | 'facts'>): Pick<PythonRuntime, 'libraries'> {
  return environment.lock === null ? { libraries: facts.libraries } : {};
}
