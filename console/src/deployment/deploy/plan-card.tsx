/** The plan on the deploy page: a sentence, four numbers, predicted latencies, and alternatives. */

import type { ReactElement } from 'react';
import type { DeploymentPlanBody, MixtureBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { Legend } from '../../kit/charts/legend.tsx';
import { duration, fixed, ms, objective as objectiveText, percent, plural, sentence } from '../../kit/format/format.ts';
import { usdFine } from '../../kit/format/money.ts';
import { NumberStrip } from '../../kit/number-strip.tsx';
import { Note } from '../../kit/page/note.tsx';
import { againstAlwaysOn, capital, mixtureTitle, planSentence, usdMonth } from './format-plan.ts';
import { LatencyChart } from './latency-chart.tsx';
import { niceUpMs } from './slider-scale.ts';

interface PlanCardProps {
  readonly plan: DeploymentPlanBody;
  /** The plan belongs to the previous draft; the next one is loading. */
  readonly isOld: boolean;
  readonly keepOne: boolean;
  readonly nearestMs: number | null;
  readonly onNearest: (latencyMs: number) => void;
}

export function PlanCard({ plan, isOld, keepOne, nearestMs, onNearest }: PlanCardProps): ReactElement {
  const { chosen } = plan;
  return (
    <Card
      title="Plan"
      className={`plan ${isOld ? 'old' : ''}`}
      end={`${plural(plan.compared, 'setting')} compared in ${duration(plan.compute_ms)}`}
    >
      <div className="body" aria-live="polite" aria-busy={isOld}>
        {chosen === null ? (
          <Infeasible plan={plan} nearestMs={nearestMs} onNearest={onNearest} />
        ) : (
          <>
            <p className="choice">{capital(mixtureTitle(chosen))}</p>
            <p className="mut">{planSentence(plan, chosen, keepOne)}</p>
          </>
        )}
        {plan.notes.map((note) => (
          <p key={note} className="sm dim plan-note">
            {note}
          </p>
        ))}
      </div>
      {chosen === null ? null : <Predicted plan={plan} chosen={chosen} />}
    </Card>
  );
}

function Infeasible({ plan, nearestMs, onNearest }: Pick<PlanCardProps, 'plan' | 'nearestMs' | 'onNearest'>): ReactElement {
  // Rounded up, so that the proposed objective can be met.
  const nearest = nearestMs === null ? null : niceUpMs(nearestMs);
  return (
    <Note tone="bad" icon="alert" title={`No setting meets ${objectiveText(plan.objective)}.`}>
      {sentence(plan.reason ?? '')}{' '}
      {nearest === null || nearestMs === null ? (
        'Allow instances or functions, raise the cost limit, or choose a faster version.'
      ) : (
        <>
          <button type="button" className="link" onClick={() => onNearest(nearest)}>
            Change the objective to {nearest} ms
          </button>{' '}
          or more, or choose a faster version.
        </>
      )}
    </Note>
  );
}

function Predicted({
  plan,
  chosen,
}: {
  readonly plan: DeploymentPlanBody;
  readonly chosen: NonNullable<DeploymentPlanBody['chosen']>;
}): ReactElement {
  const against = againstAlwaysOn(plan, chosen);
  const [, percentile = ''] = /^p([\d.]+)/.exec(plan.objective) ?? [];
  return (
    <>
      <NumberStrip
        numbers={[
          { label: 'Per hour', value: usdFine(chosen.usd_per_hour), note: `${usdMonth(chosen.usd_per_hour)} per month` },
          { label: 'Per million', value: usdFine(chosen.usd_per_million), note: 'requests' },
          { label: 'In time', value: percent(chosen.in_time), unit: '%', note: `objective ${percentile} %` },
          { label: 'Vs. always-on', ...against },
        ]}
      />
      <div className="body">
        <div className="row wrap">
          <h3>Predicted latency</h3>
          <Legend
            unit="ms"
            items={(['p50', 'p95', 'p99'] as const).map((name) => ({ label: name, color: name, value: ms(chosen[`${name}_ms`]) }))}
          />
        </div>
        <LatencyChart chosen={chosen} objective={plan.objective} />
      </div>
    </>
  );
}

export function Alternatives({ plan, isOld }: { readonly plan: DeploymentPlanBody; readonly isOld: boolean }): ReactElement {
  const { mixtures, chosen } = plan;
  const most = Math.max(...mixtures.map(({ usd_per_hour: usd }) => usd), 1e-12);
  const legend = (
    <Legend
      items={[
        { label: 'instances', color: 'inst' },
        { label: 'functions', color: 'func' },
      ]}
    />
  );
  return (
    <Card title="Alternatives" aside={legend} className={isOld ? 'old' : ''}>
      <div className="tw">
        <table className="dense alternatives">
          <caption className="unseen">Alternatives to the plan</caption>
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col" className="n">
                p50
              </th>
              <th scope="col" className="n">
                p95
              </th>
              <th scope="col" className="n">
                p99
              </th>
              <th scope="col" className="n wide">
                In time
              </th>
              <td className="wide" />
              <th scope="col" className="n">
                Per hour
              </th>
              <th scope="col" className="n wide">
                Per million
              </th>
            </tr>
          </thead>
          <tbody>
            {mixtures.map((mixture) => (
              <Alternative key={mixtureTitle(mixture)} mixture={mixture} most={most} isChosen={isSame(mixture, chosen)} />
            ))}
            {mixtures.length === 0 ? (
              <tr>
                <td colSpan={8} className="dim">
                  No alternatives: {plan.reason}.
                </td>
              </tr>
            ) : null}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function isSame(mixture: MixtureBody, chosen: MixtureBody | null): boolean {
  return chosen !== null && mixture.instances === chosen.instances && (mixture.functions === null) === (chosen.functions === null);
}

interface AlternativeProps {
  readonly mixture: MixtureBody;
  /** The highest cost of all alternatives, in US dollars per hour. */
  readonly most: number;
  readonly isChosen: boolean;
}

function Alternative({ mixture, most, isChosen }: AlternativeProps): ReactElement {
  const { instance_usd_per_hour: instances, function_usd_per_hour: functions, rejected_because: why } = mixture;
  const width = (usd: number): number => (usd / most) * 76;
  return (
    <tr className={isChosen ? 'sel' : ''}>
      <th scope="row">
        {isChosen ? <b>{mixtureTitle(mixture)}</b> : mixtureTitle(mixture)}
        {isChosen ? <span className="unseen"> (chosen)</span> : null}
        {why === null ? null : <span className="two">{why}</span>}
      </th>
      <td className="n">{latency(mixture.p50_ms)}</td>
      <td className="n">{latency(mixture.p95_ms)}</td>
      <td className="n">
        {latency(mixture.p99_ms)}
        <span className="u">ms</span>
      </td>
      <td className="n wide">{percent(mixture.in_time)} %</td>
      <td className="wide">
        <svg width="78" height="10" aria-hidden="true">
          <rect width={width(instances)} height="10" rx="2" fill="var(--inst)" />
          <rect
            x={width(instances) + (instances > 0 ? 1 : 0)}
            width={Math.max(0, width(functions) - 1)}
            height="10"
            rx="2"
            fill="var(--func)"
          />
        </svg>
      </td>
      <td className="n">
        <b>{usdFine(mixture.usd_per_hour)}</b>
      </td>
      <td className="n wide">{usdFine(mixture.usd_per_million)}</td>
    </tr>
  );
}

function latency(value: number): string {
  return value < 1 ? fixed(value, 2) : ms(value);
}
