/** One run of a transform: its workers, the size of its batches, and each object that is not done yet. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { heldVcpu, instanceType, type PriceTable, threadsOf } from '../../costs/index.ts';
import { commandOf } from '../../deployment/index.ts';
import { asPlatformError, PlatformError } from '../../errors.ts';
import type { Log } from '../../monitoring/index.ts';
import { type Profiles, timerOf } from '../../profiling/index.ts';
import type { Provider, WorkerSpec } from '../../providers/index.ts';
import type { Random } from '../../random.ts';
import type { ModelVersion } from '../../registry/index.ts';
import type { RunResult, WorkerLink } from '../../runtime/index.ts';
import type { Tensor } from '../../tensor.ts';
import { chooseRows } from './choose-rows.ts';
import { CsvBeside } from './csv-beside.ts';
import { ProcessRecords } from './process-records.ts';
import { RecordFilters } from './record-filters.ts';
import type { BadRecord } from './run-records.ts';
import { TensorRecords } from './tensor-records.ts';
import { formOf, type ObjectForm } from './transform-job.ts';
import { type ObjectPlan, resultsOf } from './transform-object.ts';
import {
  type Checkpoint,
  Halted,
  type OpenedSource,
  type ResultPiece,
  type TransformInput,
  type TransformOutput,
} from './transform-places.ts';
import type { ProgressMeter } from './transform-progress.ts';
import type { KeptObject, KeptTransform, TransformRows } from './transform-rows.ts';
import { TransformWorkers } from './transform-workers.ts';

export interface TransformRunNeeds {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly rows: TransformRows;
  readonly provider: Provider;
  readonly profiles: Pick<Profiles, 'get'>;
  readonly artifactPath: (version: ModelVersion) => string;
  readonly prices: PriceTable;
  /** Of this machine. */
  readonly cores: number;
  /** Of an answer of a process. */
  readonly replyBytesMax: number;
}

export interface TransformRunOf {
  readonly kept: KeptTransform;
  readonly version: ModelVersion;
  readonly input: TransformInput;
  readonly output: TransformOutput;
  readonly meter: ProgressMeter;
  readonly signal: AbortSignal;
}

/** One runs, one waits for it at the worker, one is being read. */
const concurrencyDefault = 3;
const objectsAtOnceMax = 4;
const objectsPerPage = 500;
/** Lines that were left out, told by their numbers. */
const linesTold = 50;

export class TransformRun {
  readonly #needs: TransformRunNeeds;
  readonly #of: TransformRunOf;
  readonly #csv: CsvBeside;

  constructor(needs: TransformRunNeeds, of: TransformRunOf) {
    this.#needs = needs;
    this.#of = of;
    this.#csv = new CsvBeside({ threadsMax: needs.cores });
  }

  /** Every object is done or has failed after it. Throws `Halted`, and what ends all objects at once. */
  async run(): Promise<void> {
    const { rows } = this.#needs;
    const { kept, input, output, signal } = this.#of;
    const { name } = kept.order;
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
    const lane = async (): Promise<void> => {
      while (next < items.length) await run(items[next++] as Item);
    };
    const lanes = await Promise.allSettled(Array.from({ length: atOnce }, lane));
    for (const each of lanes) if (each.status === 'rejected') throw each.reason;
  }

  #workers(): TransformWorkers {
    const { provider, clock, prices, cores } = this.#needs;
    const { kept, version, signal } = this.#of;
    const { order } = kept;
    const type = instanceType(prices, order.instanceType);
    const isProcess = version.runtime.kind === 'process';
    const concurrency = order.concurrency ?? (version.runtime.kind === 'process' ? version.runtime.concurrency : concurrencyDefault);
    const { process } = commandOf(version);
    const specs = Array.from(
      { length: order.instances },
      (): WorkerSpec => ({
        id: `transform-${randomUUID()}`,
        // No endpoint has such a name.
        endpoint: `transform:${order.name}`,
        variant: 'AllTraffic',
        generation: 1,
        modelPath: this.#needs.artifactPath(version),
        modelName: version.name,
        threads: threadsOf(type, cores),
        memoryMiB: type.memoryMiB,
        instanceType: type.name,
        kind: 'instance',
        vcpuMax: heldVcpu(type, provider.limits.cpu),
        ...(process === undefined
          ? {}
          : { process: { ...process, environment: { ...process.environment, ...this.#environment(concurrency) } } }),
      }),
    );
    // A worker takes runs one after the other; more wait there without being late.
    const timeoutMs = isProcess ? order.timeoutMs : order.timeoutMs * concurrency;
    return new TransformWorkers({ provider, clock, specs, concurrency, timeoutMs, retries: order.retries, signal });
  }

  /** What a container is told of the job that it serves. */
  #environment(concurrency: number): Readonly<Record<string, string>> {
    const { payloadBytesMax, batch, environment } = this.#of.kept.order;
    return {
      SAGEMAKER_BATCH: 'true',
      SAGEMAKER_MAX_PAYLOAD_IN_MB: String(Math.ceil(payloadBytesMax / 2 ** 20)),
      SAGEMAKER_BATCH_STRATEGY: batch === 'single' ? 'SINGLE_RECORD' : 'MULTI_RECORD',
      SAGEMAKER_MAX_CONCURRENT_TRANSFORMS: String(concurrency),
      ...environment,
    };
  }

  async #rowsFor(workers: TransformWorkers): Promise<number> {
    const { profiles, clock, random, rows, log } = this.#needs;
    const { kept, version } = this.#of;
    const { order } = kept;
    if (order.batch === 'single') return 1;
    if (version.runtime.kind === 'process') return Number.POSITIVE_INFINITY;
    if (kept.batchRows !== null) return kept.batchRows;
    const executor = `instance:${order.instanceType}`;
    const profile = await profiles.get(version.group, version.version, executor);
    const chosen = await workers.use(async (link) => {
      const rssOf = async () => (await link.status()).rssBytes / 2 ** 20;
      const { signature, batchable } = version;
      const memoryMiB = instanceType(this.#needs.prices, order.instanceType).memoryMiB;
      const options = { ...(await timerOf(link, clock)), signature, batchable, executor, random, rssOf, memoryMiB };
      return chooseRows((inputs) => runOn(link, inputs), profile, options);
    });
    log.info({ transform: order.name, rows: chosen }, 'the rows of a run are chosen by their throughput');
    await rows.choseRows(order, chosen);
    return chosen;
  }

  async #transform(object: KeptObject, workers: TransformWorkers, rowsMax: number): Promise<void> {
    const { rows } = this.#needs;
    const { kept, meter, signal } = this.#of;
    const { name } = kept.order;
    signal.throwIfAborted();
    try {
      await this.#write(object, workers, rowsMax);
    } catch (error) {
      if (error instanceof Halted || signal.aborted) throw signal.reason ?? error;
      const { code, message } = asPlatformError(error);
      if (code === 'unavailable') throw error;
      await rows.settle(name, object.position, { state: 'failed', records: 0, skipped: 0, note: message });
    } finally {
      meter.end(object.position);
    }
  }

  async #write(object: KeptObject, workers: TransformWorkers, rowsMax: number): Promise<void> {
    const { kept, version, input } = this.#of;
    const { order } = kept;
    const { name } = object;
    const form = formOf(order, name, version.runtime.kind === 'process');
    const source = await input.open(name);
    if (source === null) throw new PlatformError('not_found', 'it is not there any more');
    try {
      await this.#writeFrom(object, source, form, workers, rowsMax);
    } finally {
      source.close();
    }
  }

  async #writeFrom(object: KeptObject, source: OpenedSource, form: ObjectForm, workers: TransformWorkers, rowsMax: number): Promise<void> {
    const { rows } = this.#needs;
    const { kept, input, output, meter, signal } = this.#of;
    const { order } = kept;
    const { position, name } = object;
    const from = await this.#goOnFrom(object, source.identity);
    meter.begin(position, { records: from?.records ?? 0, skipped: from?.skipped ?? 0, bytes: from?.position.offset ?? 0 });
    const done = { records: from?.records ?? 0, skipped: from?.skipped ?? 0 };
    let bad: readonly BadRecord[] = [];
    const plan: ObjectPlan = {
      form,
      records: this.#records(form, workers, rowsMax),
      recordsMax: rowsMax,
      payloadBytesMax: order.payloadBytesMax,
      width: workers.width,
      signal,
      onRead: (bytes) => meter.read(position, bytes),
      onBad: (more) => {
        bad = [...bad, ...more].sort((a, b) => a.line - b.line).slice(0, linesTold);
      },
    };
    const count = (piece: ResultPiece): void => {
      done.records += piece.records;
      done.skipped += piece.skipped;
      meter.wrote(position, piece.records, piece.skipped);
    };
    await output.write(name, counted(resultsOf(plan, input, name, source, from), count), {
      contentType: form.resultType,
      identity: source.identity,
      from,
      keep: (checkpoint) => rows.checkpoint(order.name, position, JSON.stringify(checkpoint)),
      beside: (tx) => rows.settle(order.name, position, { state: 'done', ...done, note: leftOut(done.skipped, bad) }, tx ?? undefined),
    });
  }

  async #goOnFrom({ name, checkpoint }: KeptObject, identity: string): Promise<Checkpoint | null> {
    const { output } = this.#of;
    if (checkpoint === null || !output.hasCheckpoints) return null;
    const kept = JSON.parse(checkpoint) as Checkpoint;
    return kept.identity === identity && (await output.holds(name, kept)) ? kept : null;
  }

  #records(form: ObjectForm, workers: TransformWorkers, rowsMax: number): TensorRecords | ProcessRecords {
    const { version, kept } = this.#of;
    const { order } = kept;
    const filters = new RecordFilters(order);
    if (version.runtime.kind === 'process') {
      return new ProcessRecords({
        form,
        filters,
        policy: order.badRecords,
        assemble: order.assemble,
        run: (...call) => this.#invoke(workers, ...call),
      });
    }
    const run = async ({ inputs }: { readonly inputs: readonly Tensor[] }) => (await workers.use((link) => runOn(link, inputs))).outputs;
    return new TensorRecords({ signature: version.signature, form, filters, policy: order.badRecords, run, csv: this.#csv, rowsMax });
  }

  #invoke(workers: TransformWorkers, body: Buffer, headers: Readonly<Record<string, string>>): Promise<Buffer> {
    const { version } = this.#of;
    return workers.use(
      async (link) => {
        const { reply } = await link.invoke({ headers, body }, this.#needs.replyBytesMax);
        if (reply.status >= 200 && reply.status < 300) return reply.body;
        const text = reply.body.toString('utf8', 0, 300).trim();
        throw new Unanswered(reply.status, `${version.name} answered with status ${reply.status}${text === '' ? '' : `: ${text}`}`);
      },
      (error) => error instanceof Unanswered && error.status >= 500,
    );
  }
}

/** What a process answered is no success. */
class Unanswered extends PlatformError {
  readonly status: number;

  constructor(status: number, message: string) {
    super('model_failed', message);
    this.name = 'Unanswered';
    this.status = status;
  }
}

function runOn(link: WorkerLink, inputs: readonly Tensor[]): Promise<RunResult> {
  return link.run(inputs.map(({ name, datatype, shape, data }) => ({ name, datatype, shape, parts: [data] })));
}

async function* counted(pieces: AsyncIterable<ResultPiece>, count: (piece: ResultPiece) => void): AsyncGenerator<ResultPiece> {
  for await (const piece of pieces) {
    count(piece);
    yield piece;
  }
}

/** `left out lines 2, 7, and 3 more (line 2: why)`; of a single one the number is said once. */
export function leftOut(skipped: number, bad: readonly BadRecord[]): string | null {
  if (skipped === 0) return null;
  const lines = bad.map(({ line }) => line);
  const more = skipped > lines.length ? `, and ${skipped - lines.length} more` : '';
  const [first] = bad;
  if (skipped === 1 && first !== undefined) return `left out line ${first.line}: ${first.why}`;
  const why = first === undefined ? '' : ` (line ${first.line}: ${first.why})`;
  return `left out lines ${lines.join(', ')}${more}${why}`;
}
