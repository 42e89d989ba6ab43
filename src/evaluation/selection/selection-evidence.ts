/**
 * Follows the evidence about plans that needs no labels: how many rows go on to the second model of a cascade, and on how many a
 * plan disagrees with the most accurate one. Counts are stored, so a restart loses at most a few seconds.
 */
import {
  agreementRuling,
  type DriftRuling,
  escalationRuling,
  type ShareBaseline,
  ShareWatch,
  type StoredShare,
} from '../../data-quality/index.ts';
import type { LadderConfig } from '../../deployment/index.ts';
import { nameKey } from '../../names.ts';
import type { LadderView, ServedView } from '../../serving/index.ts';
import { type Database, inTransaction } from '../../storage/index.ts';

/** `escalation` costs nothing; `agreement` needs a second run in idle time. */
export const evidenceKinds = ['escalation', 'agreement'] as const;
/** What the evidence is about. */
export type EvidenceKind = (typeof evidenceKinds)[number];

/** Where counts come from, and where they are stored. */
export interface SelectionEvidenceOptions {
  readonly db: Database;
  /** The inputs from an endpoint. */
  readonly served: (endpoint: string) => Pick<ServedView, 'variants'> | undefined;
  /** The endpoints that exist. */
  readonly endpoints: () => readonly string[];
}

/** Null for an endpoint without such plans. */
export type EvidenceRulings = Readonly<Record<EvidenceKind, DriftRuling | null>>;

const rulings = { escalation: escalationRuling, agreement: agreementRuling } as const;

interface PlanCounts {
  readonly baseline: ShareBaseline;
  readonly rows: number;
  readonly ones: number;
}

/** Writes only if the counts have changed since the last write. */
export class SelectionEvidence {
  readonly #options: SelectionEvidenceOptions;
  readonly #watches: Readonly<Record<EvidenceKind, ShareWatch>> = { escalation: new ShareWatch(), agreement: new ShareWatch() };
  /** The last stored JSON. */
  #stored = '';

  constructor(options: SelectionEvidenceOptions) {
    this.#options = options;
  }

  /** Continues from the stored counts. Call before `poll`. */
  async open(): Promise<void> {
    const rows = await this.#options.db.selectFrom('selection_evidence').selectAll().execute();
    for (const kind of evidenceKinds) {
      const found = rows.filter((row) => row.kind === kind);
      this.#watches[kind].restore(
        found.map((row): StoredShare => {
          const { endpoint_key: endpoint, plan, decided_at: at, baseline_rows: of, baseline_ones: ones, fired_at_rows: fired } = row;
          const baseline = { plan, rows: Number(of), ones: Number(ones), decidedAtMs: Number(at) };
          const firedAtRows = fired === null ? null : Number(fired);
          return { endpoint, baseline, rows: Number(row.rows), ones: Number(row.ones), firedAtRows };
        }),
      );
    }
  }

  /** Reads the counts since the last call. */
  poll(endpoint: string): EvidenceRulings {
    const view = this.#options.served(endpoint);
    // After a start the endpoint may not be served yet: its stored counts still apply.
    if (view === undefined) return { escalation: null, agreement: null };
    const ladders = view.variants.flatMap(({ ladder, isShadow }) => (ladder === null || isShadow ? [] : [ladder]));
    return {
      escalation: this.#ruling('escalation', endpoint, ladders.flatMap(escalationsIn)),
      agreement: this.#ruling('agreement', endpoint, ladders.flatMap(disagreementsIn)),
    };
  }

  /** Stores what changed. */
  async store(): Promise<void> {
    const existing = new Set<string>(this.#options.endpoints().map(nameKey));
    for (const watch of Object.values(this.#watches)) {
      for (const { endpoint } of watch.stored()) if (!existing.has(endpoint)) watch.forget(endpoint);
    }
    const values = evidenceKinds.flatMap((kind) =>
      this.#watches[kind].stored().map(({ endpoint, baseline, rows, ones, firedAtRows }) => ({
        endpoint_key: endpoint,
        kind,
        plan: baseline.plan,
        decided_at: baseline.decidedAtMs,
        baseline_rows: baseline.rows,
        baseline_ones: baseline.ones,
        rows,
        ones,
        fired_at_rows: firedAtRows,
      })),
    );
    const now = JSON.stringify(values);
    if (now === this.#stored) return;
    await inTransaction(this.#options.db, async (tx) => {
      await tx.deleteFrom('selection_evidence').execute();
      for (const each of values) await tx.insertInto('selection_evidence').values(each).execute();
    });
    this.#stored = now;
  }

  #ruling(kind: EvidenceKind, endpoint: string, plans: readonly PlanCounts[]): DriftRuling | null {
    const watch = this.#watches[kind];
    const key = nameKey(endpoint);
    const sums = new Map<string, PlanCounts>();
    for (const each of plans) {
      const { rows = 0, ones = 0 } = sums.get(each.baseline.plan) ?? {};
      sums.set(each.baseline.plan, { baseline: each.baseline, rows: rows + each.rows, ones: ones + each.ones });
    }
    if (sums.size === 0) {
      watch.forget(key);
      return null;
    }
    watch.expect(
      key,
      [...sums.values()].map(({ baseline }) => baseline),
    );
    for (const [plan, counts] of sums) watch.counted(key, plan, counts);
    return rulings[kind](watch.view(key));
  }
}

/** Shares of escalated rows, for cascades. */
function escalationsIn({ config, rungs }: LadderView): PlanCounts[] {
  const { rows, decidedAtMs } = evaluatedBy(config);
  return config.rungs.flatMap(({ name, second, escalated }, rung): PlanCounts[] => {
    if (second === null || rows === 0) return [];
    const baseline = { plan: name, rows, ones: Math.round(escalated * rows), decidedAtMs };
    return [{ baseline, rows: rungs[rung]?.rows ?? 0, ones: rungs[rung]?.escalated ?? 0 }];
  });
}

/** Shares of disagreements, for all plans except the most accurate one, if requests are compared. */
function disagreementsIn({ config, rungs }: LadderView): PlanCounts[] {
  const { decidedAtMs } = evaluatedBy(config);
  if ((config.shadowShare ?? 0) === 0) return [];
  return config.rungs.slice(0, -1).flatMap(({ name, agreement }, rung): PlanCounts[] => {
    if (agreement === undefined || agreement.rows === 0) return [];
    const baseline = { plan: name, rows: agreement.rows, ones: agreement.disagreed, decidedAtMs };
    return [{ baseline, rows: rungs[rung]?.compared ?? 0, ones: rungs[rung]?.disagreed ?? 0 }];
  });
}

function evaluatedBy({ selection }: LadderConfig): { readonly rows: number; readonly decidedAtMs: number } {
  const { rows = 0, atMs: decidedAtMs = 0 } = selection?.decision ?? {};
  return { rows, decidedAtMs };
}
