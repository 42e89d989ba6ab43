/**
 * What doors tell of calls that are looked at: part by part while tensors are there, and the bodies at the end. From here calls go into
 * capture files, into the sample that drift is looked for in, and beside labels that come later. Nothing here may slow or fail a call.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Random } from '../../random.ts';
import type { Tensor } from '../../tensor.ts';
import type { DriftWatch } from '../drift/drift-watch.ts';
import { type FeatureRows, featureRows, type Predictions, predictionsOf } from '../drift/features.ts';
import type { GroundTruth } from '../labels/ground-truth.ts';
import type { CaptureConfig } from './capture-config.ts';
import type { CaptureFiles } from './capture-files.ts';
import type { WireBody } from './capture-line.ts';

/** Where the call goes. */
export interface WatchedRoute {
  readonly endpoint: string;
  readonly variant: string;
  readonly capture: CaptureConfig | null;
}

export interface CallWatchOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Pick<CaptureFiles, 'add'>;
  readonly drift: Pick<DriftWatch, 'seen'>;
  readonly truth: Pick<GroundTruth, 'add'>;
  readonly onFailure: (endpoint: string, error: unknown) => void;
}

/** A call that was chosen to be looked at. */
export interface SeenCall {
  /** Rows were answered; tensors are not kept beyond this moment. Parts may come in any order; `part` is their place. */
  part(part: number, inputs: readonly Tensor[], outputs: readonly Tensor[], rows: number): void;
  /** The call was answered well. What is given must not change any more, or be small. */
  end(input: WireBody, output: WireBody | null): void;
}

const inferenceIdLengthMax = 256;
const copiedBytesMax = 64 * 1024;
const noFeatures: FeatureRows = { key: '', names: [], row: () => [] };

export class CallWatch {
  readonly #options: CallWatchOptions;
  /** By config: names that are redacted. */
  readonly #redacted = new WeakMap<CaptureConfig, ReadonlySet<string>>();

  constructor(options: CallWatchOptions) {
    this.#options = options;
  }

  /** Null for a call that is not among those that are looked at. `inferenceId` is what the client calls it, if anything. */
  begin(route: WatchedRoute, requestId: string, inferenceId: string | null): SeenCall | null {
    const { capture } = route;
    const { random } = this.#options;
    if (capture !== null && capture.percent < 100 && random.next() * 100 >= capture.percent) return null;
    return new Seen(this.#options, route, this.#namesOf(capture), requestId, inferenceId?.slice(0, inferenceIdLengthMax) ?? null);
  }

  #namesOf(capture: CaptureConfig | null): ReadonlySet<string> {
    if (capture === null) return nothing;
    let names = this.#redacted.get(capture);
    if (names === undefined) this.#redacted.set(capture, (names = new Set(capture.redact)));
    return names;
  }
}

const nothing: ReadonlySet<string> = new Set();

class Seen implements SeenCall {
  readonly #options: CallWatchOptions;
  readonly #route: WatchedRoute;
  readonly #left: ReadonlySet<string>;
  readonly #requestId: string;
  readonly #inferenceId: string | null;
  readonly #predictions: Predictions[] = [];

  constructor(options: CallWatchOptions, route: WatchedRoute, left: ReadonlySet<string>, requestId: string, inferenceId: string | null) {
    this.#options = options;
    this.#route = route;
    this.#left = left;
    this.#requestId = requestId;
    this.#inferenceId = inferenceId;
  }

  part(part: number, inputs: readonly Tensor[], outputs: readonly Tensor[], rows: number): void {
    const { endpoint, variant, capture } = this.#route;
    try {
      const count = Math.max(rows, 1);
      const features = capture?.inputs === false ? noFeatures : featureRows(inputs, count, this.#left);
      const predictions = capture?.outputs === false ? null : predictionsOf(outputs, count, this.#left);
      if (predictions !== null) this.#predictions[part] = predictions;
      this.#options.drift.seen(endpoint, variant, count, features, predictions);
    } catch (error) {
      this.#options.onFailure(endpoint, error);
    }
  }

  end(input: WireBody, output: WireBody | null): void {
    const { endpoint, variant, capture } = this.#route;
    try {
      const atMs = this.#options.clock.wallMs();
      const inferenceId = this.#inferenceId;
      const [first] = this.#predictions;
      if (first !== undefined) {
        const values = this.#predictions.flatMap((each) => each.values);
        this.#options.truth.add({ endpoint, variant, inferenceId: inferenceId ?? this.#requestId, atMs, kind: first.kind, values });
      }
      if (capture === null) return;
      const [kept, answered] = [owned(input), output === null ? null : owned(output)];
      this.#options.files.add({ endpoint, variant, eventId: randomUUID(), inferenceId, atMs, input: kept, output: answered, capture });
    } catch (error) {
      this.#options.onFailure(endpoint, error);
    }
  }
}

/** A small body is a piece of a buffer that others are in too: it is copied, so that they are not kept with it. */
function owned({ contentType, body }: WireBody): WireBody {
  return { contentType, body: typeof body !== 'string' && body.length <= copiedBytesMax ? Buffer.from(body) : body };
}
