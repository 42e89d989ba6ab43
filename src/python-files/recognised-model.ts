/** What the files of a Python model say of it, without running any of it. */
import type { PythonFlavour, PythonForm } from '../python-model.ts';
import type { TensorSpec } from '../tensor.ts';

/** The result of recognition. What is null is found when the model is opened. */
export interface RecognisedModel {
  readonly flavour: PythonFlavour;
  /** Path of the file to open inside of the folder; empty for the recognised path itself. */
  readonly entry: string;
  /** Null if only opening the model shows it. */
  readonly form: PythonForm | null;
  /** What opening the model imports, if that is written in its files; null if nothing is unpickled, or if the model is code. */
  readonly imports: PythonImports | null;
  /** Packages that the model needs, as registries name them: `scikit-learn`. Sorted; as far as its files show. */
  readonly libraries: readonly string[];
  /** Versions of libraries that wrote the files, by package. */
  readonly madeWith: Readonly<Record<string, string>>;
  /** Absent if only opening the model shows it. */
  readonly inputs?: readonly TensorSpec[];
  readonly outputs?: readonly TensorSpec[];
  /** Names of the columns of the one input `x`. */
  readonly columns?: readonly string[];
  /** Path of a requirements file inside of the folder. */
  readonly requirements?: string;
  /** For people: full sentences without a full stop. */
  readonly notes: readonly string[];
}

/** What an approver reviews before any code runs. */
export interface PythonImports {
  /** `module.name`, sorted. */
  readonly all: readonly string[];
  /** Those outside of the known libraries, and what else no library's file does. Empty if there is nothing to review. */
  readonly outside: readonly string[];
}

/** Bounds on the work for one file. */
export interface RecognitionLimits {
  /** Of each file, unpacked. */
  readonly bytesMax: number;
  /** Of each pickle. Default: 50 million. */
  readonly opcodesMax?: number;
}
