/** The model card of a version: where it comes from, what evaluations measured of it, and where it serves. */
import { Select } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { CardBody, QualityBody, VersionBody } from '../../../src/api/index.ts';
import { cardQuery } from '../api/model-queries.ts';
import { Card } from '../kit/card.tsx';
import { useWidth } from '../kit/charts/use-width.ts';
import { DataTable } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { count, fixed, ms, plural } from '../kit/format/format.ts';
import { NumberStrip } from '../kit/number-strip.tsx';
import { Empty } from '../kit/page/empty.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { useSearchValues } from '../kit/page/search-state.ts';
import { Pairs } from '../kit/pairs.tsx';

type Evaluation = CardBody['evaluations'][number];
type Classes = Extract<QualityBody, { kind: 'classes' }>;
type Values = Extract<QualityBody, { kind: 'values' }>;

export function ModelCardTab({ versions }: { readonly versions: readonly VersionBody[] }): ReactElement {
  const [{ version: wanted }, change] = useSearchValues();
  const shown = versions.find(({ version }) => version === Number(wanted)) ?? versions[0];
  const card = useQuery(cardQuery(shown?.name ?? ''));
  return (
    <LoadedContent query={card} what={`The card of ${shown?.name} could not be loaded.`} heights={[240, 320]}>
      {(body) => (
        <div className="grid">
          <Origin
            card={body}
            choice={
              versions.length === 1 ? null : (
                <Select
                  size="xs"
                  aria-label="Version"
                  data={versions.map(({ version, name }) => ({ value: String(version), label: name }))}
                  value={String(shown?.version)}
                  allowDeselect={false}
                  onChange={(value) => change({ version: value ?? undefined }, { replace: true })}
                />
              )
            }
          />
          <div className="c8 stack">
            {body.evaluations.length === 0 ? (
              <Card title="Evaluations">
                <Empty title="Not evaluated yet" command={`penstock evaluate ${body.version.name} --data FILE --label COLUMN`}>
                  An evaluation measures what the model is worth on a labelled set, with confidence intervals.
                </Empty>
              </Card>
            ) : (
              body.evaluations.map((each) => <EvaluationCard key={each.set.name} evaluation={each} />)
            )}
          </div>
        </div>
      )}
    </LoadedContent>
  );
}

function Origin({ card, choice }: { readonly card: CardBody; readonly choice: ReactElement | null }): ReactElement {
  const { version, claimed, profiles, endpoints } = card;
  const typed = Object.entries(claimed);
  const first = profiles[0]?.service[0];
  return (
    <Card title={version.name} span={4} padded end={choice}>
      <Pairs
        pairs={[
          ...(version.description === '' ? [] : [['Description', version.description] as const]),
          ['File', version.source_name],
          ['SHA-256', <code key="sha">{version.source_sha256.slice(0, 16)}</code>],
          [
            'Registered',
            <span key="at">
              <Ago at={version.created_at} />, by {version.created_by}
            </span>,
          ],
          ['Approval', version.approval_changed_by === null ? 'Pending' : `${version.approval}, by ${version.approval_changed_by}`],
          ...(typed.length === 0
            ? []
            : [['Claimed', `${typed.map(([name, value]) => `${name} ${fixed(value, 4)}`).join(', ')}: typed in, not measured`] as const]),
          ...(first === undefined ? [] : [['Service time', `${ms(first.p95_ms)} ms for one row (p95)`] as const]),
          [
            'Serves',
            endpoints.length === 0
              ? '–'
              : endpoints.map(({ endpoint, variant, plans, accuracy, labelled_rows: rows }) => (
                  <span key={`${endpoint} ${variant}`} className="line">
                    <Link to="/endpoints/$endpoint" params={{ endpoint }}>
                      {endpoint}
                    </Link>
                    {plans === null ? '' : `, in ${plural(plans.length, 'plan')}`}
                    {accuracy === null ? '' : `, accuracy ${fixed(accuracy, 4)} over ${plural(rows, 'labelled row')}`}
                  </span>
                )),
          ],
        ]}
      />
    </Card>
  );
}

function EvaluationCard({ evaluation }: { readonly evaluation: Evaluation }): ReactElement {
  const { set, quality, notes, evaluated_at: at } = evaluation;
  return (
    <Card
      title={`Evaluation on ${set.name}`}
      end={
        <span>
          {count(set.rows)} rows, <Ago at={at} />
        </span>
      }
      footer={
        <span>
          Answered by {plural(set.models, 'model')}, used for {plural(set.choices, 'choice')} of plans. A model that was chosen by this set
          is judged too well by it. SHA-256 <code>{set.sha256.slice(0, 12)}</code>
        </span>
      }
    >
      {quality.kind === 'classes' ? <ClassesQuality quality={quality} /> : <ValuesQuality quality={quality} />}
      {notes.map((note) => (
        <Note key={note} title={note} />
      ))}
    </Card>
  );
}

function between(low: number, high: number): string {
  return `${fixed(low, 4)} to ${fixed(high, 4)} (95 %)`;
}

function ValuesQuality({ quality }: { readonly quality: Values }): ReactElement {
  const { rmse, rmse_low: low, rmse_high: high, mae } = quality;
  return (
    <div className="body">
      <NumberStrip
        numbers={[
          { label: 'RMSE', value: rmse.toPrecision(4), note: `${low.toPrecision(4)} to ${high.toPrecision(4)} (95 %)` },
          { label: 'Mean absolute error', value: mae.toPrecision(4) },
        ]}
      />
    </div>
  );
}

function ClassesQuality({ quality }: { readonly quality: Classes }): ReactElement {
  const { calibration, calibration_error: calibrationError, log_loss: loss } = quality;
  return (
    <>
      <div className="body">
        <NumberStrip
          numbers={[
            { label: 'Accuracy', value: fixed(quality.accuracy, 4), note: between(quality.low, quality.high) },
            { label: 'Errors', value: count(quality.errors), note: `of ${count(quality.rows)} rows` },
            { label: 'Macro F1', value: fixed(quality.macro_f1, 4), note: between(quality.macro_f1_low, quality.macro_f1_high) },
            ...(calibrationError === null
              ? []
              : [{ label: 'Calibration error', value: fixed(calibrationError, 4), note: `log-loss ${fixed(loss, 4)}` }]),
          ]}
        />
      </div>
      {calibration.length === 0 ? null : <CalibrationChart bins={calibration} />}
      <DataTable
        caption="Quality by class"
        isDense
        rows={quality.per_class}
        keyOf={(row) => row.class}
        columns={[
          { title: 'Class', cell: (row) => row.class },
          { title: 'Rows', cell: (row) => count(row.rows), isNumber: true, sort: (row) => row.rows },
          { title: 'Precision', cell: (row) => fixed(row.precision, 4), isNumber: true, sort: (row) => row.precision },
          { title: 'Recall', cell: (row) => fixed(row.recall, 4), isNumber: true, sort: (row) => row.recall },
          {
            title: 'Recall, 95 %',
            cell: (row) => `${fixed(row.recall_low, 3)} to ${fixed(row.recall_high, 3)}`,
            isNumber: true,
            isWide: true,
          },
          { title: 'F1', cell: (row) => fixed(row.f1, 4), isNumber: true, sort: (row) => row.f1 },
        ]}
      />
    </>
  );
}

const height = 200;
const [left, bottom, top, right] = [44, 36, 12, 16];

/** How often the model was right, by how sure it was. A calibrated model is on the diagonal. */
function CalibrationChart({ bins }: { readonly bins: Classes['calibration'] }): ReactElement {
  const [box, width] = useWidth<HTMLDivElement>();
  const x = (share: number): number => left + share * (width - left - right);
  const y = (share: number): number => height - bottom - share * (height - bottom - top);
  const points = bins.flatMap(({ rows, confidence, accuracy }) =>
    confidence === null || accuracy === null ? [] : [{ rows, confidence, accuracy }],
  );
  const most = Math.max(...points.map(({ rows }) => rows));
  const text = points.map(
    ({ rows, confidence, accuracy }) => `${plural(rows, 'row')} at confidence ${fixed(confidence, 2)}: ${fixed(accuracy, 2)} right`,
  );
  return (
    <div className="body">
      <h3 className="sm">Share of right answers by confidence</h3>
      <div ref={box} className="small-chart">
        {width === 0 ? null : (
          <svg width={width} height={height} role="img" aria-label={text.join('; ')}>
            {[0, 0.5, 1].map((tick) => (
              <g key={tick}>
                <line className="gl" x1={left} x2={width - right} y1={y(tick)} y2={y(tick)} />
                <text x={left - 8} y={y(tick) + 4} textAnchor="end">
                  {fixed(tick, 1)}
                </text>
                <text x={x(tick)} y={height - bottom + 18} textAnchor={tick === 1 ? 'end' : 'middle'}>
                  {fixed(tick, 1)}
                </text>
              </g>
            ))}
            <line className="calibrated" x1={x(0)} y1={y(0)} x2={x(1)} y2={y(1)} />
            {points.map(({ rows, confidence, accuracy }) => (
              <circle key={confidence} className="calibration-point" cx={x(confidence)} cy={y(accuracy)} r={3 + 7 * Math.sqrt(rows / most)}>
                <title>{`${plural(rows, 'row')}: confidence ${fixed(confidence, 3)}, right ${fixed(accuracy, 3)}`}</title>
              </circle>
            ))}
          </svg>
        )}
      </div>
    </div>
  );
}
