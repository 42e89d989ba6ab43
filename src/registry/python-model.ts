/** A version that runs Python: what its files say, and the state of its opening. Opening runs its code, so that follows an approval. */
import type { RecognisedModel } from '../python-files/index.ts';
import type { PythonFacts, SampleBody } from '../runtime/index.ts';
import type { Database, Transaction } from '../storage/index.ts';

/**
 * `registered`: none of its code has run. `opening`: an approver asked for it. `failed`: the last attempt failed, and the version is still
 * pending.
 */
export type OpeningState = 'registered' | 'opening' | 'opened' | 'failed';

/** What the registry stores of the recognition. */
export type RecognisedFacts = Pick<RecognisedModel, 'imports' | 'libraries' | 'madeWith' | 'columns' | 'requirements'>;

/** The Python part of a version. `recognised` is from its files, everything after it from the last opening. */
export interface PythonModel {
  readonly recognised: RecognisedFacts;
  readonly hasSample: boolean;
  readonly state: OpeningState;
  /** The approver of the last opening; null if there was none. */
  readonly requestedBy: string | null;
  readonly requestedAtMs: number | null;
  readonly note: string | null;
  /** Why the last opening failed; else null. */
  readonly reason: string | null;
  readonly lastLines: readonly string[];
  /** What opening it showed; null until then. */
  readonly facts: PythonFacts | null;
}

/** The rows of one group, by version. */
export async function pythonModelsOf(
  from: Database | Transaction,
  groupKey: string,
  versions: readonly number[],
): Promise<ReadonlyMap<number, PythonModel>> {
  if (versions.length === 0) return new Map();
  const rows = await from
    .selectFrom('python_models')
    .selectAll()
    .where('group_key', '=', groupKey)
    .where('version', 'in', versions)
    .execute();
  return new Map(
    rows.map((row) => [
      row.version,
      {
        recognised: JSON.parse(row.recognised) as RecognisedFacts,
        hasSample: row.sample !== null,
        state: row.state,
        requestedBy: row.requested_by,
        requestedAtMs: row.requested_at,
        note: row.note,
        reason: row.reason,
        lastLines: JSON.parse(row.last_lines) as string[],
        facts: row.facts === null ? null : (JSON.parse(row.facts) as PythonFacts),
      },
    ]),
  );
}

/** Stores a model that was just registered. */
export async function insertPythonModel(
  tx: Transaction,
  key: { readonly groupKey: string; readonly version: number; readonly atMs: number },
  { recognised, sample }: { readonly recognised: RecognisedFacts; readonly sample: SampleBody | null },
): Promise<void> {
  await tx
    .insertInto('python_models')
    .values({
      group_key: key.groupKey,
      version: key.version,
      recognised: JSON.stringify(recognised),
      sample: sample === null ? null : sampleText(sample),
      state: 'registered',
      requested_by: null,
      requested_at: null,
      note: null,
      reason: null,
      last_lines: '[]',
      facts: null,
      changed_at: key.atMs,
    })
    .execute();
}

/** A sample as stored in the database: JSON, with its body in base64. */
export function sampleText({ body, ...others }: SampleBody): string {
  return JSON.stringify({ ...others, body: body.toString('base64') });
}

/** Reverses `sampleText`. */
export function sampleOf(text: string | null): SampleBody | null {
  if (text === null) return null;
  const { body, ...others } = JSON.parse(text) as Omit<SampleBody, 'body'> & { body: string };
  return { ...others, body: Buffer.from(body, 'base64') };
}
