/** The lineage of a version, stored as its metadata. Pure. */
import type { StoredTraining } from './rows.ts';

/** Metadata of a version has at most this many characters per entry. */
const metadataLengthMax = 1024;

/** Enough to train the same model again. */
export interface Lineage {
  readonly job: string;
  readonly codeSha256: string | null;
  readonly environment: { readonly name: string; readonly lock: string | null } | null;
  readonly data: Readonly<
    Record<string, { readonly uri: string; readonly sha256: string; readonly objects: number; readonly bytes: number }>
  >;
  readonly hyperparameters: Readonly<Record<string, unknown>>;
  readonly git: { readonly commit: string; readonly isDirty: boolean } | null;
  /** `digits/6` */
  readonly parent: string | null;
  /** The run of a pipeline, `digits-loop/12`. */
  readonly run: string | null;
  readonly usd: number | null;
  readonly seconds: number | null;
}

const secretName = /secret|password|token|key/i;
/** Settings of the SDK, which have no effect on the model. */
const frameworkName = /^sagemaker_/;

/** Values of hyperparameters whose names look like secrets are left out. */
export function lineageOf({ spec, progress }: Pick<StoredTraining, 'spec' | 'progress'>, parent: string | null): Lineage {
  const own = Object.entries(spec.hyperparameters).filter(([name]) => !frameworkName.test(name));
  const { environment, name, git, run } = spec;
  return {
    job: name,
    codeSha256: progress.codeSha256,
    environment: environment === null ? null : { name: environment, lock: progress.environmentLock },
    data: progress.data,
    hyperparameters: Object.fromEntries(own.map(([key, text]) => [key, secretName.test(key) ? '***' : decoded(text)] as const)),
    git,
    parent,
    run,
    usd: progress.usage?.usd ?? null,
    seconds: progress.usage?.seconds ?? null,
  };
}

/** As metadata, shortened to fit: the job itself has everything. */
export function lineageText(lineage: Lineage): string {
  const shorter: readonly Partial<Lineage>[] = [{}, { hyperparameters: {} }, { hyperparameters: {}, data: {} }];
  const texts = shorter.map((change) => JSON.stringify({ ...lineage, ...change }));
  return texts.find((text) => text.length <= metadataLengthMax) ?? JSON.stringify({ job: lineage.job, parent: lineage.parent });
}

/** Hyperparameters as audit and events show them. */
export function maskedHyperparameters(hyperparameters: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(hyperparameters).map(([name, value]) => [name, secretName.test(name) ? '***' : value] as const));
}

function decoded(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
