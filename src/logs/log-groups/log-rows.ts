/** Reads and writes log groups, streams and events in the metrics database. */
import { type Database, inTransaction } from '../../storage/index.ts';
import { nextTurn } from '../../threads/index.ts';

/** A log group; null days: limited by size only. */
export interface GroupRow {
  readonly id: number;
  readonly name: string;
  readonly createdAtMs: number;
  readonly retentionDays: number | null;
}

/** A stream, with the times of its first and last event. */
export interface StreamRow {
  readonly id: number;
  readonly groupId: number;
  readonly name: string;
  readonly createdAtMs: number;
  readonly firstAtMs: number | null;
  readonly lastAtMs: number | null;
  readonly ingestedAtMs: number | null;
  readonly bytes: number;
  /** How far the file has been read whose lines the stream holds; null for other streams. */
  readonly sourceOffset: number | null;
}

/** An event. `seq` orders events of the same time. */
export interface EventRow {
  readonly seq: number;
  readonly groupId: number;
  readonly streamId: number;
  readonly atMs: number;
  readonly ingestedAtMs: number;
  readonly bytes: number;
  readonly message: string;
}

/** Far below the parameter limits of both databases. */
const rowsPerInsert = 400;
/** Rows per delete statement, which takes a few milliseconds. */
const rowsPerDelete = 2000;

const number = (value: number | string | null): number | null => (value === null ? null : Number(value));

/** Reads all groups and streams, without events. `lastSeq` is the last sequence number of any event. */
export async function readAll(db: Database): Promise<{ groups: GroupRow[]; streams: StreamRow[]; lastSeq: number }> {
  const groups = await db.selectFrom('log_groups').selectAll().execute();
  const streams = await db.selectFrom('log_streams').selectAll().execute();
  const last = await db
    .selectFrom('log_events')
    .select((row) => row.fn.max('seq').as('seq'))
    .executeTakeFirst();
  return {
    groups: groups.map(({ id, name, created_at, retention_days }) => ({
      id: Number(id),
      name,
      createdAtMs: Number(created_at),
      retentionDays: retention_days,
    })),
    streams: streams.map((row) => ({
      id: Number(row.id),
      groupId: Number(row.group_id),
      name: row.name,
      createdAtMs: Number(row.created_at),
      firstAtMs: number(row.first_at),
      lastAtMs: number(row.last_at),
      ingestedAtMs: number(row.ingested_at),
      bytes: Number(row.bytes),
      sourceOffset: number(row.source_offset),
    })),
    lastSeq: Number(last?.seq ?? 0),
  };
}

/** Rows to write in one transaction. */
export interface Batch {
  readonly groups?: readonly GroupRow[];
  readonly streams?: readonly StreamRow[];
  readonly events?: readonly EventRow[];
}

/** Writes in one transaction, which can be repeated: existing rows stay or are overwritten. */
export async function writeBatch(db: Database, { groups = [], streams = [], events = [] }: Batch): Promise<void> {
  await inTransaction(db, async (tx) => {
    for (const { id, name, createdAtMs, retentionDays } of groups) {
      await tx
        .insertInto('log_groups')
        .values({ id, name, created_at: createdAtMs, retention_days: retentionDays })
        .onConflict((conflict) => conflict.column('id').doUpdateSet({ retention_days: retentionDays }))
        .execute();
    }
    for (const { id, groupId, name, createdAtMs, firstAtMs, lastAtMs, ingestedAtMs, bytes, sourceOffset } of streams) {
      const changing = { first_at: firstAtMs, last_at: lastAtMs, ingested_at: ingestedAtMs, bytes, source_offset: sourceOffset };
      await tx
        .insertInto('log_streams')
        .values({ id, group_id: groupId, name, created_at: createdAtMs, ...changing })
        .onConflict((conflict) => conflict.column('id').doUpdateSet(changing))
        .execute();
    }
    for (let at = 0; at < events.length; at += rowsPerInsert) {
      // SQLite runs on this thread: other work gets its turn between two statements.
      if (at > 0) await nextTurn();
      const values = events.slice(at, at + rowsPerInsert).map((event) => ({
        seq: event.seq,
        group_id: event.groupId,
        stream_id: event.streamId,
        at: event.atMs,
        ingested_at: event.ingestedAtMs,
        bytes: event.bytes,
        message: event.message,
      }));
      await tx
        .insertInto('log_events')
        .values(values)
        .onConflict((conflict) => conflict.column('seq').doNothing())
        .execute();
    }
  });
}

/** Events are ordered by time, then by sequence number. */
export interface EventPosition {
  readonly atMs: number;
  readonly seq: number;
}

/** A range of events, from a position in either direction. */
export interface LogRowsQuery {
  readonly groupId: number;
  /** Null for all streams. */
  readonly streamIds: readonly number[] | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly position: EventPosition | null;
  readonly isForward: boolean;
  readonly limit: number;
}

/** Ascending or descending, as requested. */
export async function readEvents(db: Database, request: LogRowsQuery): Promise<EventRow[]> {
  const { groupId, streamIds, fromMs, toMs, position, isForward, limit } = request;
  const order = isForward ? 'asc' : 'desc';
  let query = db.selectFrom('log_events').selectAll().where('at', '>=', fromMs).where('at', '<', toMs);
  query = query.orderBy('at', order).orderBy('seq', order).limit(limit);
  // A single stream is read by its own index.
  if (streamIds?.length === 1) query = query.where('stream_id', '=', streamIds[0] as number);
  else {
    query = query.where('group_id', '=', groupId);
    if (streamIds !== null) query = query.where('stream_id', 'in', streamIds);
  }
  if (position !== null) {
    const { atMs, seq } = position;
    const sign = isForward ? '>' : '<';
    query = query.where('at', isForward ? '>=' : '<=', atMs);
    query = query.where((row) => row.or([row('at', sign, atMs), row.and([row('at', '=', atMs), row('seq', sign, seq)])]));
  }
  return (await query.execute()).map((row) => ({
    seq: Number(row.seq),
    groupId: Number(row.group_id),
    streamId: Number(row.stream_id),
    atMs: Number(row.at),
    ingestedAtMs: Number(row.ingested_at),
    bytes: row.bytes,
    message: row.message,
  }));
}

/**
 * Deletes the oldest events of a group, in pieces, until `bytes` are freed, and all events before `beforeMs`. True if anything was deleted.
 */
export async function deleteOldestEvents(db: Database, groupId: number, bytes: number, beforeMs: number): Promise<boolean> {
  let freed = 0;
  let hasCleared = false;
  for (;;) {
    const rows = await db
      .selectFrom('log_events')
      .select(['seq', 'at', 'bytes'])
      .where('group_id', '=', groupId)
      .orderBy('at')
      .orderBy('seq')
      .limit(rowsPerDelete)
      .execute();
    const expired: number[] = [];
    for (const row of rows) {
      if (freed >= bytes && Number(row.at) >= beforeMs) break;
      freed += row.bytes;
      expired.push(Number(row.seq));
    }
    if (expired.length === 0) return hasCleared;
    hasCleared = true;
    for (let at = 0; at < expired.length; at += rowsPerInsert) {
      await db
        .deleteFrom('log_events')
        .where('seq', 'in', expired.slice(at, at + rowsPerInsert))
        .execute();
    }
    if (expired.length < rowsPerDelete) return hasCleared;
  }
}

/** Size and time range of each stream of a group, by stream id. */
export async function measureStreams(
  db: Database,
  groupId: number,
): Promise<Map<number, { bytes: number; firstAtMs: number; lastAtMs: number }>> {
  const rows = await db
    .selectFrom('log_events')
    .select((row) => ['stream_id', row.fn.sum('bytes').as('bytes'), row.fn.min('at').as('first'), row.fn.max('at').as('last')])
    .where('group_id', '=', groupId)
    .groupBy('stream_id')
    .execute();
  return new Map(
    rows.map(({ stream_id: id, bytes, first, last }) => [
      Number(id),
      { bytes: Number(bytes), firstAtMs: Number(first), lastAtMs: Number(last) },
    ]),
  );
}

/** Deletes a group with its streams and events, in one transaction. */
export async function deleteGroup(db: Database, id: number): Promise<void> {
  await inTransaction(db, async (tx) => {
    await tx.deleteFrom('log_events').where('group_id', '=', id).execute();
    await tx.deleteFrom('log_streams').where('group_id', '=', id).execute();
    await tx.deleteFrom('log_groups').where('id', '=', id).execute();
  });
}

/** Deletes a stream with its events, in one transaction. */
export async function deleteStream(db: Database, id: number): Promise<void> {
  await inTransaction(db, async (tx) => {
    await tx.deleteFrom('log_events').where('stream_id', '=', id).execute();
    await tx.deleteFrom('log_streams').where('id', '=', id).execute();
  });
}
