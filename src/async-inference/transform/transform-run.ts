/** One run of a transform: starts workers, chooses the batch size, and processes unfinished objects. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { heldVcpu, instanceType, type PriceTable, threadsOf } from '../../costs/index.ts';
import { defined } from '../../defined.ts';
import { commandOf } from '../../deployment/index.ts';
import { asPlatformError, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { type Profiles, timerOf } from '../../profiling/index.ts';
import type { Provider, WorkerCommand, WorkerSpec } from '../../providers/index.ts';
import type { Random } from '../../random.ts';
import { type ModelVersion, modelArtifactOf, payloadKind } from '../../registry/index.ts';
import { type RunResult, type SampleBody, type ServingLink, sampleBatches } from '../../runtime/index.ts';
import { type Tensor, takesJson } from '../../tensor.ts';
import type { Threads } from '../../threads/index.ts';
import { chooseRows } from './records/choose-rows.ts';
import { CsvThreads } from './records/csv-threads.ts';
import { ProcessRecords } from './records/process-records.ts';
import { RecordFilters } from './records/record-filters.ts';
import type { BadRecord } from './records/run-records.ts';
import { TensorRecords } from './records/tensor-records.ts';
import {
  type Checkpoint,
  type OpenedSource,
  type ResultPiece,
  TransformHalted,
  type TransformInput,
  type TransformOutput,
} from './transform-io.ts';
import { formOf, type ObjectForm } from './transform-job.ts';
import { type ObjectPlan, objectResults } from './transform-object.ts';
import type { ProgressMeter } from './transform-progress.ts';
import type { StoredTransform, StoredTransformObject, TransformRows } from './transform-rows.ts';
import { TransformWorkers } from './transform-workers.ts';

export interface TransformRunDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly rows: TransformRows;
  readonly provider: Provider;
  readonly threads: Threads;
  readonly profiles: Pick<Profiles, 'get'>;
  readonly sampleOf: (version: ModelVersion) => Promise<SampleBody | null>;
  readonly prices: PriceTable;
  /** Cores of this machine. */
  readonly cores: number;
  /** Limit of the response of a model that takes bytes. */
  readonly replyBytesMax: number;
}

/** The transform to run. */
export interface TransformRunOf {
  readonly stored: StoredTransform;
  readonly version: ModelVersion;
  readonly input: TransformInput;
  readonly output: TransformOutput;
  readonly meter: ProgressMeter;
  readonly signal: AbortSignal;
}

/** Concurrent invocations per worker: one running, one queued at the worker, one being prepared. */
const concurrencyDefault = 3;
/** Rows per run of a function of JSON that has no sample to measure with. */
const rowsUnmeasured = 32;
const objectsAtOnceMax = 4;
const objectsPerPage = 500;
/** Skipped lines that are listed by number. */
const linesReported = 50;

/** Ends when all objects are done, or when the signal is aborted; its workers end with it. */
export class TransformRun {
  readonly #deps: TransformRunDeps;
  readonly #of: TransformRunOf;
  readonly #csv: CsvThreads;

  constructor(deps: TransformRunDeps, of: TransformRunOf) {
    this.#deps = deps;
    this.#of = of;
    this.#csv = new CsvThreads({ threadsMax: deps.cores });
  }

  /**
   * Processes all unfinished objects. When it resolves, every object is done or failed. Throws `TransformHalted`, and errors that affect
   * all objects.
   */
  async run(): Promise<void> {
    const { rows } = this.#deps;
    const { stored, input, output, signal } = this.#of;
    const { name } = stored.spec;
    await output.check();
    if ((await rows.totals(name)).objects === 0) await rows.addObjects(name, await input.list());
    signal.throwIfAborted();
    const workers = this.#workers();
    try {
      await workers.open();
      const rowsMax = await this.#rowsFor(workers);
      for (let after = -1; ; ) {
        const page = await rows.objects(name, { after, limit: objectsPerPage });
        const last = page.at(-1);
        if (last === undefined) return;
        after = last.position;
        await this.#all(
          page.filter(({ state }) => state === 'waiting'),
          Math.min(workers.width, objectsAtOnceMax),
          (object) => this.#transform(object, workers, rowsMax),
        );
      }
    } finally {
      await Promise.all([workers.close(), this.#csv.close()]);
    }
  }

  async #all<Item>(items: readonly Item[], atOnce: number, run: (item: Item) => Promise<void>): Promise<void> {
    let next = 0;
    const runNext = async (): Promise<void> => {
      while (next < items.length) await run(items[next++] as Item);
    };
    const settledRuns = await Promise.allSettled(Array.from({ length: atOnce }, runNext));
    for (const each of settledRuns) if (each.status === 'rejected') throw each.reason;
  }

  #workers(): TransformWorkers {
    const { provider, clock, prices, cores } = this.#deps;
    const { stored, version, signal } = this.#of;
    const { spec } = stored;
    const type = instanceType(prices, spec.instanceType);
    const isProcess = version.runtime.kind === 'process';
    const concurrency = spec.concurrency ?? (version.runtime.kind === 'process' ? version.runtime.concurrency : concurrencyDefault);
    const { process, python } = commandOf(version);
    const specs = Array.from(
      { length: spec.instances },
      (): WorkerSpec => ({
        id: `transform-${randomUUID()}`,
        // Endpoint names cannot contain a colon, so this one is unique.
        endpoint: `transform:${spec.name}`,
        variant: 'AllTraffic',
        generation: 1,
        artifact: modelArtifactOf(version),
        modelName: version.name,
        threads: threadsOf(type, cores),
        memoryMiB: type.memoryMiB,
        instanceType: type.name,
        kind: 'instance',
        vcpuMax: heldVcpu(type, provider.limits.cpu),
        ...defined({ python }),
        ...(process === undefined ? {} : { process: this.#withVariables(process, concurrency) }),
      }),
    );
    // A worker processes runs one by one, so queued runs get a longer timeout.
    const timeoutMs = isProcess ? spec.timeoutMs : spec.timeoutMs * concurrency;
    return new TransformWorkers({ provider, clock, specs, concurrency, timeoutMs, retries: spec.retries, signal });
  }

  /** Variables of the job can bring code, so they isolate even a command whose image is not isolated, as of now. */
  #withVariables(process: WorkerCommand, concurrency: number): WorkerCommand {
    const environment = { ...process.environment, ...this.#environment(concurrency) };
    const hasOwn = Object.keys(this.#of.stored.spec.environment).length > 0;
    return { ...process, environment, ...(hasOwn ? { isIsolated: true } : {}) };
  }

  /** Environment variables of the container contract. */
  #environment(concurrency: number): Readonly<Record<string, string>> {
    const { payloadBytesMax, batch, environment } = this.#of.stored.spec;
    return {
      SAGEMAKER_BATCH: 'true',
      SAGEMAKER_MAX_PAYLOAD_IN_MB: String(Math.ceil(payloadBytesMax / 2 ** 20)),
      SAGEMAKER_BATCH_STRATEGY: batch === 'single' ? 'SINGLE_RECORD' : 'MULTI_RECORD',
      SAGEMAKER_MAX_CONCURRENT_TRANSFORMS: String(concurrency),
      ...environment,
    };
  }

  async #rowsFor(workers: TransformWorkers): Promise<number> {
    const { profiles, clock, random, rows, log, sampleOf } = this.#deps;
    const { stored, version } = this.#of;
    const { spec } = stored;
    if (spec.batch === 'single') return 1;
    const kind = payloadKind(version.runtime);
    if (kind !== 'tensors') return kind === 'stream' ? 1 : Number.POSITIVE_INFINITY; // a function that yields takes one value
    if (stored.batchRows !== null) return stored.batchRows;
    const executor = `instance:${spec.instanceType}`;
    const profile = await profiles.get(version.group, version.version, executor);
    const chosen = await workers.use(async (link) => {
      const rssOf = async () => (await link.status()).rssBytes / 2 ** 20;
      const { signature, batchable } = version;
      const memoryMiB = instanceType(this.#deps.prices, spec.instanceType).memoryMiB;
      const inputsOf = sampleBatches(signature, await sampleOf(version), random);
      const options = { ...(await timerOf(link, clock)), signature, batchable, executor, random, inputsOf, rssOf, memoryMiB };
      return chooseRows((inputs) => runOn(link, inputs), profile, options).catch((error: unknown) => {
        // Only the model knows which JSON is valid.
        if (!takesJson(signature) || !(error instanceof PlatformError) || error.code !== 'model_failed') throw error;
        return rowsUnmeasured;
      });
    });
    log.info({ transform: spec.name, rows: chosen }, 'chose the rows per run by throughput');
    await rows.choseRows(spec, chosen);
    return chosen;
  }

  async #transform(object: StoredTransformObject, workers: TransformWorkers, rowsMax: number): Promise<void> {
    const { rows } = this.#deps;
    const { stored, meter, signal } = this.#of;
    const { name } = stored.spec;
    signal.throwIfAborted();
    try {
      await this.#write(object, workers, rowsMax);
    } catch (error) {
      if (error instanceof TransformHalted || signal.aborted) throw signal.reason ?? error;
      const { code, message } = asPlatformError(error);
      if (code === 'unavailable') throw error;
      await rows.settle(name, object.position, { state: 'failed', records: 0, skipped: 0, note: message });
    } finally {
      meter.end(object.position);
    }
  }

  async #write(object: StoredTransformObject, workers: TransformWorkers, rowsMax: number): Promise<void> {
    const { stored, version, input } = this.#of;
    const { spec } = stored;
    const { name } = object;
    const form = formOf(spec, name, payloadKind(version.runtime) !== 'tensors');
    const source = await input.open(name);
    if (source === null) throw new PlatformError('not_found', 'the object no longer exists');
    try {
      await this.#writeFrom(object, source, form, workers, rowsMax);
    } finally {
      source.close();
    }
  }

  async #writeFrom(
    object: StoredTransformObject,
    source: OpenedSource,
    form: ObjectForm,
    workers: TransformWorkers,
    rowsMax: number,
  ): Promise<void> {
    const { rows } = this.#deps;
    const { stored, input, output, meter, signal } = this.#of;
    const { spec } = stored;
    const { position, name } = object;
    const from = await this.#resumeFrom(object, source.identity);
    meter.begin(position, { records: from?.records ?? 0, skipped: from?.skipped ?? 0, bytes: from?.position.offset ?? 0 });
    const done = { records: from?.records ?? 0, skipped: from?.skipped ?? 0 };
    let bad: readonly BadRecord[] = [];
    const plan: ObjectPlan = {
      form,
      records: this.#records(form, workers, rowsMax),
      recordsMax: rowsMax,
      payloadBytesMax: spec.payloadBytesMax,
      width: workers.width,
      signal,
      onRead: (bytes) => meter.read(position, bytes),
      onBad: (more) => {
        bad = [...bad, ...more].sort((a, b) => a.line - b.line).slice(0, linesReported);
      },
    };
    const count = (piece: ResultPiece): void => {
      done.records += piece.records;
      done.skipped += piece.skipped;
      meter.wrote(position, piece.records, piece.skipped);
    };
    await output.write(name, counted(objectResults(plan, input, name, source, from), count), {
      contentType: form.resultType,
      identity: source.identity,
      from,
      checkpoint: (checkpoint) => rows.checkpoint(spec.name, position, JSON.stringify(checkpoint)),
      transactionHook: (tx) =>
        rows.settle(spec.name, position, { state: 'done', ...done, note: skippedText(done.skipped, bad) }, tx ?? undefined),
    });
  }

  async #resumeFrom({ name, checkpoint }: StoredTransformObject, identity: string): Promise<Checkpoint | null> {
    const { output } = this.#of;
    if (checkpoint === null || !output.hasCheckpoints) return null;
    const retained = JSON.parse(checkpoint) as Checkpoint;
    return retained.identity === identity && (await output.holds(name, retained)) ? retained : null;
  }

  #records(form: ObjectForm, workers: TransformWorkers, rowsMax: number): TensorRecords | ProcessRecords {
    const { version, stored } = this.#of;
    const { spec } = stored;
    const filters = new RecordFilters(spec);
    if (payloadKind(version.runtime) !== 'tensors') {
      return new ProcessRecords({
        form,
        filters,
        policy: spec.badRecords,
        assemble: spec.assemble,
        run: (...call) => this.#invoke(workers, ...call),
        threads: this.#deps.threads,
      });
    }
    const run = async ({ inputs }: { readonly inputs: readonly Tensor[] }) => (await workers.use((link) => runOn(link, inputs))).outputs;
    const { threads } = this.#deps;
    const options = { signature: version.signature, form, filters, policy: spec.badRecords, run, csv: this.#csv, threads, rowsMax };
    return new TensorRecords(options);
  }

  #invoke(workers: TransformWorkers, body: Buffer, headers: Readonly<Record<string, string>>): Promise<Buffer> {
    const { version } = this.#of;
    return workers.use(
      async (link) => {
        const { reply } = await link.invoke({ headers, body }, this.#deps.replyBytesMax);
        if (reply.status >= 200 && reply.status < 300) return reply.body;
        const text = reply.body.toString('utf8', 0, 300).trim();
        throw new UnsuccessfulResponse(
          reply.status,
          `${version.name} answered with status ${reply.status}${text === '' ? '' : `: ${text}`}`,
        );
      },
      (error) => error instanceof UnsuccessfulResponse && error.status >= 500,
    );
  }
}

/** An unsuccessful response of a process. */
class UnsuccessfulResponse extends PlatformError {
  readonly status: number;

  constructor(status: number, message: string) {
    super('model_failed', message);
    this.name = 'UnsuccessfulResponse';
    this.status = status;
  }
}

function runOn(link: ServingLink, inputs: readonly Tensor[]): Promise<RunResult> {
  return link.run(inputs.map(({ name, datatype, shape, data }) => ({ name, datatype, shape, parts: [data] })));
}

async function* counted(pieces: AsyncIterable<ResultPiece>, count: (piece: ResultPiece) => void): AsyncGenerator<ResultPiece> {
  for await (const piece of pieces) {
    count(piece);
    yield piece;
  }
}

/** `skipped lines 2, 7, and 3 more (line 2: why)`; for a single line the number appears once. */
export function skippedText(skipped: number, bad: readonly BadRecord[]): string | null {
  if (skipped === 0) return null;
  const lines = bad.map(({ line }) => line);
  const more = skipped > lines.length ? `, and ${skipped - lines.length} more` : '';
  const [first] = bad;
  if (skipped === 1 && first !== undefined) return `skipped line ${first.line}: ${first.why}`;
  const why = first === undefined ? '' : ` (line ${first.line}: ${first.why})`;
  return `skipped lines ${lines.join(', ')}${more}${why}`;
}
