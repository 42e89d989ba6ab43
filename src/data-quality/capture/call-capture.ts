/**
 * Captures sampled calls: tensors part by part while they exist, bodies at the end. Calls go to capture files, the drift monitor and the
 * predictions that later labels are joined with. Nothing here may slow down or fail a call.
 */
import type { Clock } from '../../clock.ts';
import type { Random } from '../../random.ts';
import type { Tensor } from '../../tensor.ts';
import type { DriftMonitor } from '../drift/drift-monitor.ts';
import { type FeatureRows, featureRows, type Predictions, predictionsOf } from '../drift/features.ts';
import type { GroundTruth } from '../labels/ground-truth.ts';
import { inferenceIdLengthMax } from '../labels/read-labels.ts';
import type { CaptureConfig } from './capture-config.ts';
import type { CaptureFiles } from './capture-files.ts';
import type { WireBody } from './capture-line.ts';

/** Target of the call. */
export interface CapturedRoute {
  readonly endpoint: string;
  readonly variant: string;
  readonly capture: CaptureConfig | null;
}

/** Where captured calls go. */
export interface CallCaptureOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Pick<CaptureFiles, 'add'>;
  readonly drift: Pick<DriftMonitor, 'observe'>;
  readonly truth: Pick<GroundTruth, 'add'>;
  readonly onFailure: (endpoint: string, error: unknown) => void;
}

/** A sampled call. */
export interface CapturedExchange {
  /** Records answered rows. Tensors are not retained after this call. Parts can arrive in any order; `part` is the index. `plan`: that of a selection. */
  part(part: number, inputs: readonly Tensor[], outputs: readonly Tensor[], rows: number, plan?: string): void;
  /** Records a successful call. Bodies must be immutable from now on, or small (they are copied). */
  end(input: WireBody, output: WireBody | null): void;
  /** Reports that the call failed. Failed calls are not captured. */
  failed(input: WireBody): void;
}

const copiedBytesMax = 64 * 1024;
const noFeatures: FeatureRows = { key: '', names: [], row: () => [] };

/** Draws per call whether it is captured; a call that is not costs one random number. */
export class CallCapture {
  readonly #options: CallCaptureOptions;
  /** Redacted names by config. */
  readonly #redacted = new WeakMap<CaptureConfig, ReadonlySet<string>>();

  constructor(options: CallCaptureOptions) {
    this.#options = options;
  }

  /** Null for a call that is not sampled. `inferenceId`: the client's id of the inference, if any. */
  begin(route: CapturedRoute, requestId: string, inferenceId: string | null): CapturedExchange | null {
    const { capture } = route;
    const { random } = this.#options;
    if (capture !== null && capture.percent < 100 && random.next() * 100 >= capture.percent) return null;
    return new ExchangeCapture(
      this.#options,
      route,
      this.#namesOf(capture),
      requestId,
      inferenceId?.slice(0, inferenceIdLengthMax) ?? null,
    );
  }

  #namesOf(capture: CaptureConfig | null): ReadonlySet<string> {
    if (capture === null) return noNames;
    let names = this.#redacted.get(capture);
    if (names === undefined) this.#redacted.set(capture, (names = new Set(capture.redact)));
    return names;
  }
}

const noNames: ReadonlySet<string> = new Set();

class ExchangeCapture implements CapturedExchange {
  readonly #options: CallCaptureOptions;
  readonly #route: CapturedRoute;
  readonly #redactedNames: ReadonlySet<string>;
  readonly #requestId: string;
  readonly #inferenceId: string | null;
  readonly #predictions: Predictions[] = [];
  /** The plan of all parts; undefined if they had several, or without a selection. */
  #plan: string | undefined;

  constructor(
    options: CallCaptureOptions,
    route: CapturedRoute,
    redacted: ReadonlySet<string>,
    requestId: string,
    inferenceId: string | null,
  ) {
    this.#options = options;
    this.#route = route;
    this.#redactedNames = redacted;
    this.#requestId = requestId;
    this.#inferenceId = inferenceId;
  }

  part(part: number, inputs: readonly Tensor[], outputs: readonly Tensor[], rows: number, plan?: string): void {
    const { endpoint, variant, capture } = this.#route;
    this.#plan = part === 0 || this.#plan === plan ? plan : undefined;
    try {
      const count = Math.max(rows, 1);
      const features = capture?.inputs === false ? noFeatures : featureRows(inputs, count, this.#redactedNames);
      const predictions = capture?.outputs === false ? null : predictionsOf(outputs, count, this.#redactedNames);
      if (predictions !== null) this.#predictions[part] = predictions;
      this.#options.drift.observe(endpoint, variant, count, features, predictions);
    } catch (error) {
      this.#options.onFailure(endpoint, error);
    }
  }

  failed(): void {}

  end(input: WireBody, output: WireBody | null): void {
    const { endpoint, variant, capture } = this.#route;
    try {
      const atMs = this.#options.clock.wallMs();
      const inferenceId = this.#inferenceId;
      const [first] = this.#predictions;
      if (first !== undefined) {
        const values = this.#predictions.flatMap((each) => each.values);
        const requestId = this.#requestId;
        const id = inferenceId ?? requestId;
        const scoreMin = leastOf(this.#predictions);
        this.#options.truth.add({
          endpoint,
          variant,
          inferenceId: id,
          requestId,
          atMs,
          kind: first.kind,
          values,
          plan: this.#plan,
          scoreMin,
        });
      }
      if (capture === null) return;
      const [retained, answered] = [owned(input), output === null ? null : owned(output)];
      // Labels of a call without an inference id are posted under the id of its request.
      const eventId = this.#requestId;
      this.#options.files.add({ endpoint, variant, eventId, inferenceId, atMs, input: retained, output: answered, capture });
    } catch (error) {
      this.#options.onFailure(endpoint, error);
    }
  }
}

/** Null without scores, or if one is not a number. */
function leastOf(predictions: readonly Predictions[]): number | null {
  const least = predictions.reduce(
    (min, { scores }) => (scores ?? [Number.NaN]).reduce((a, b) => Math.min(a, b), min),
    Number.POSITIVE_INFINITY,
  );
  return Number.isFinite(least) ? least : null;
}

/** A small body is a slice of a shared buffer: copy it, so that the rest is not retained with it. */
function owned({ contentType, body }: WireBody): WireBody {
  return { contentType, body: typeof body !== 'string' && body.length <= copiedBytesMax ? Buffer.from(body) : body };
}
