/**
 * Lists decisions with consecutive ones of a variant without a change as one run: a control loop that has nothing to change
 * decides the same every few seconds.
 */
import { nameKey } from '../names.ts';
import type { Database, DecisionsTable } from '../storage/index.ts';

/** A decision that changed something, or consecutive decisions without a change. */
export interface DecisionRun {
  /** Of the latest decision. */
  readonly id: string;
  readonly count: number;
  /** Time of the first decision, epoch milliseconds. */
  readonly sinceMs: number;
  /** False if the run may have begun earlier: its start was beyond the decisions that were read. */
  readonly isWhole: boolean;
}

/** Which decisions to list: a part of `DecisionPage`. */
interface RunsPage {
  readonly endpoint?: string | null | undefined;
  readonly kind?: DecisionsTable['kind'] | undefined;
  readonly limit: number;
  /** Id of the last run of the previous page. */
  readonly before?: string | undefined;
}

/** Read at a time: about a millisecond of the event loop. */
const rowsAtOnce = 1000;
/** Read per page: more than are retained of one endpoint, so that only pages over all endpoints are cut. */
const rowsMax = 11_000;

interface Row {
  readonly seq: number;
  readonly id: string;
  readonly at: number;
  readonly endpoint_key: string | null;
  readonly variant: string;
  readonly kind: DecisionsTable['kind'];
  readonly changes: 0 | 1;
}

type OpenRun = { -readonly [Key in keyof DecisionRun]: DecisionRun[Key] };

/** The latest first. For the next page, pass the id of the last run as `before`. */
export async function listRuns(db: Database, page: RunsPage): Promise<DecisionRun[]> {
  const runs: OpenRun[] = [];
  /** By series: the run that an older decision without a change belongs to; null after one with a change. */
  const open = new Map<string, OpenRun | null>();
  let before = page.before === undefined ? undefined : await seqOf(db, page.before);
  for (let read = 0; read < rowsMax; read += rowsAtOnce) {
    const rows = await rowsBefore(db, page, before);
    for (const row of rows) {
      const series = `${row.endpoint_key}/${row.variant}/${row.kind}`;
      if (!open.has(series)) open.set(series, page.before !== undefined && (await isContinued(db, row)) ? runOf(row) : null);
      const run = open.get(series) ?? null;
      if (row.changes === 1) {
        if (run !== null) run.isWhole = true;
        open.set(series, null);
        runs.push({ ...runOf(row), isWhole: true });
      } else if (run !== null) {
        run.count++;
        run.sinceMs = row.at;
      } else {
        const begun = runOf(row);
        open.set(series, begun);
        runs.push(begun);
      }
    }
    if (rows.length < rowsAtOnce) {
      for (const run of runs) run.isWhole = true;
      break;
    }
    if (runs.length >= page.limit && runs.slice(0, page.limit).every(({ isWhole }) => isWhole)) break;
    before = rows.at(-1)?.seq;
  }
  return runs.slice(0, page.limit);
}

function runOf({ id, at }: Row): OpenRun {
  return { id, count: 1, sinceMs: at, isWhole: false };
}

async function seqOf(db: Database, id: string): Promise<number> {
  const row = await db.selectFrom('decisions').select('seq').where('id', '=', id).executeTakeFirst();
  return row?.seq ?? 0; // pruned: there is nothing older
}

/** Without the contents, which are most of a decision. */
function rowsBefore(db: Database, { endpoint, kind }: Pick<RunsPage, 'endpoint' | 'kind'>, before: number | undefined): Promise<Row[]> {
  let query = db
    .selectFrom('decisions')
    .select(['seq', 'id', 'at', 'endpoint_key', 'variant', 'kind', 'changes'])
    .orderBy('seq', 'desc')
    .limit(rowsAtOnce);
  if (endpoint !== undefined) query = query.where('endpoint_key', isOrEquals(endpoint), endpoint === null ? null : nameKey(endpoint));
  if (kind !== undefined) query = query.where('kind', '=', kind);
  if (before !== undefined) query = query.where('seq', '<', before);
  return query.execute();
}

/** Whether the next decision of the series has no change either, so that an earlier page lists this one. */
async function isContinued(db: Database, { endpoint_key: endpointKey, variant, kind, seq, changes }: Row): Promise<boolean> {
  if (changes === 1) return false;
  const next = await db
    .selectFrom('decisions')
    .select('changes')
    .where('endpoint_key', isOrEquals(endpointKey), endpointKey)
    .where('variant', '=', variant)
    .where('kind', '=', kind)
    .where('seq', '>', seq)
    .orderBy('seq', 'asc')
    .limit(1)
    .executeTakeFirst();
  return next?.changes === 0;
}

/** In SQL, nothing equals null. */
export function isOrEquals(value: string | null): 'is' | '=' {
  return value === null ? 'is' : '=';
}
