/**
 * Data derived from a model once, before any request: tensor positions, and the constant parts of every response. Each served model version
 * has one plan.
 */
import type { Signature, TensorSpec } from '../../tensor.ts';

/** An output, and the form in which the client wants it. */
export interface RequestedOutput {
  /** Index in the signature. */
  readonly index: number;
  readonly binary: boolean;
  /** Number of requested classes; 0 requests the tensor itself. */
  readonly classes: number;
}

/** Immutable. Prepared texts save most of the cost of a small response. */
export class ModelPlan {
  readonly model: string;
  readonly version: string;
  readonly signature: Signature;
  /** Whether requests are batched along the first dimension. */
  readonly isBatched: boolean;
  /** All outputs as JSON, in the model's order: the default of a request that names none. */
  readonly allJson: readonly RequestedOutput[];
  readonly allBinary: readonly RequestedOutput[];
  /** `{"model_name":"m","model_version":"1"` */
  readonly answerStart: string;
  /** For each output `{"name":"y","shape":[`, and `],"datatype":"FP32"`. */
  readonly outputStarts: readonly string[];
  readonly outputDatatypes: readonly string[];
  readonly #inputs: ReadonlyMap<unknown, number>;
  readonly #outputs: ReadonlyMap<unknown, number>;

  constructor(model: string, version: string, signature: Signature, isBatched: boolean) {
    this.model = model;
    this.version = version;
    this.signature = signature;
    this.isBatched = isBatched;
    this.#inputs = indexByName(signature.inputs);
    this.#outputs = indexByName(signature.outputs);
    this.allJson = signature.outputs.map((_, index) => ({ index, binary: false, classes: 0 }));
    this.allBinary = signature.outputs.map((_, index) => ({ index, binary: true, classes: 0 }));
    this.answerStart = `{"model_name":${JSON.stringify(model)},"model_version":${JSON.stringify(version)}`;
    this.outputStarts = signature.outputs.map(({ name }) => `{"name":${JSON.stringify(name)},"shape":[`);
    this.outputDatatypes = signature.outputs.map(({ datatype }) => `],"datatype":"${datatype}"`);
  }

  inputIndex(name: unknown): number | undefined {
    return this.#inputs.get(name);
  }

  outputIndex(name: unknown): number | undefined {
    return this.#outputs.get(name);
  }
}

function indexByName(specs: readonly TensorSpec[]): ReadonlyMap<unknown, number> {
  return new Map(specs.map(({ name }, index) => [name, index]));
}
